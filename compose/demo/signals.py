"""Signal handling of the demo."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

import psutil

from compose.embedded.guard import REAPER

_EXIT_INTERRUPTED: Final = 130
_EXIT_TERMINATED: Final = 128 + signal.SIGTERM
_STDOUT: Final = 1
_KILLED_SECONDS: Final = 5.0
_TRAFFIC: Final = "Stopping the traffic; press Ctrl-C again to end without the recount"
_EVERYTHING: Final = "Stopping everything that was started; press Ctrl-C again to end at once"
_AT_ONCE: Final = "Ending at once"

Handler = Callable[[int, FrameType | None], object]


class Interrupts:
    """Handles Ctrl-C: prints a line at once; the second ends everything at once."""

    def __init__(self) -> None:
        self._in_traffic = False
        self.requested = False

    @contextmanager
    def ending_traffic(self) -> Iterator[None]:
        """Within the block the first only sets `requested`; elsewhere it raises KeyboardInterrupt."""
        self._in_traffic = True
        try:
            yield
        finally:
            self._in_traffic = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Handles the signal, on the main thread between any two instructions."""
        if self.requested:
            _say(_AT_ONCE)
            _kill_descendants()
            os._exit(_EXIT_INTERRUPTED)
        self.requested = True
        _say(_TRAFFIC if self._in_traffic else _EVERYTHING)
        if not self._in_traffic:
            raise KeyboardInterrupt


@contextmanager
def signals_unwind() -> Iterator[Interrupts]:
    """Turns SIGTERM into an exit that runs every clean-up, and handles Ctrl-C in any shell job."""

    def terminate(number: int, frame: FrameType | None) -> None:
        sys.exit(_EXIT_TERMINATED)

    interrupts = Interrupts()
    # A shell starts background jobs with SIGINT ignored, and Python would leave it so.
    handlers: dict[signal.Signals, Handler] = {signal.SIGTERM: terminate, signal.SIGINT: interrupts}
    former = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield interrupts
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def _say(text: str) -> None:
    """Writes unbuffered: a line may be half written."""
    os.write(_STDOUT, f"\n{text}\n".encode())


def _kill_descendants() -> None:
    """Kills all descendants except the reaper, which stops what is left after this process has ended."""
    killed = []
    for process in psutil.Process().children(recursive=True):
        try:
            if str(REAPER) not in process.cmdline():
                process.kill()
                killed.append(process)
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(killed, timeout=_KILLED_SECONDS)
