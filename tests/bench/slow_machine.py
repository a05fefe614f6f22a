"""A slower machine: this process's children run for a share of the time only, all of them at the same moments."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from time import monotonic
from typing import Final

import psutil

_PERIOD_SECONDS: Final = 0.01
_LOOK_SECONDS: Final = 0.25


@contextmanager
def slow_machine(times_slower: float) -> Iterator[None]:
    """Stops the children of this process, and theirs, for the time that a machine so many times slower needs on top."""
    ended = threading.Event()
    thread = threading.Thread(target=_slow_down, args=(1 / times_slower, ended), name="slow machine")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _slow_down(share: float, ended: threading.Event) -> None:
    children: list[psutil.Process] = []
    looked_at = 0.0
    try:
        while not ended.is_set():
            if monotonic() - looked_at > _LOOK_SECONDS:
                children, looked_at = psutil.Process().children(recursive=True), monotonic()
            _send(children, signal.SIGSTOP)
            ended.wait(_PERIOD_SECONDS * (1 - share))
            _send(children, signal.SIGCONT)
            ended.wait(_PERIOD_SECONDS * share)
    finally:
        _send(children, signal.SIGCONT)


def _send(processes: list[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess, ProcessLookupError):
            process.send_signal(number)
