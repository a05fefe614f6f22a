"""What Ctrl-C does to a command: the first is answered at once and ends in order, the second ends at once."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

EXIT_INTERRUPTED: Final = 130
_FIRST: Final = b"\nInterrupted: ending what is under way; Ctrl-C again ends at once\n"
_SECOND: Final = b"\nEnded at once\n"
_STDERR: Final = 2


@contextmanager
def interrupts_answered() -> Iterator[None]:
    """For the length of the block, unless the process was started with Ctrl-C ignored.

    An orderly end waits for whatever threads of the stores' clients are under way, which can be long and says nothing.
    Commands with an end of their own replace this.
    """
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    handler = _Interrupts()
    signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGINT) is handler:
            signal.signal(signal.SIGINT, signal.default_int_handler)


class _Interrupts:
    """Writes past every buffer: a line may be half written when the signal comes."""

    def __init__(self) -> None:
        self._asked = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self._asked:
            os.write(_STDERR, _SECOND)
            os._exit(EXIT_INTERRUPTED)
        self._asked = True
        os.write(_STDERR, _FIRST)
        raise KeyboardInterrupt
