"""Signal handling of the demo."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

_EXIT_TERMINATED: Final = 128 + signal.SIGTERM


@contextmanager
def signals_unwind() -> Iterator[None]:
    """Makes SIGTERM raise SystemExit, so that every clean-up runs; Ctrl-C works in any shell job."""

    def terminate(number: int, frame: FrameType | None) -> None:
        sys.exit(_EXIT_TERMINATED)

    # A shell starts background jobs with SIGINT ignored, and Python would leave it so.
    handlers = {signal.SIGTERM: terminate, signal.SIGINT: signal.default_int_handler}
    former = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
