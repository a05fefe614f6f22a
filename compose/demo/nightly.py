"""The nightly batch in the demo: its own command in its own process, with what it says shown."""

import time
from datetime import date
from typing import Final, Protocol, TextIO

from rich.console import Console

from app.errors import EmbeddedStackError
from compose.embedded.process import ServerProcess

_LOOK_SECONDS: Final = 0.2


class BatchStarter(Protocol):
    """Starts the batch's process, which ends by itself."""

    batch: ServerProcess

    def start_batch(self, as_of: date) -> None:
        """Begin a run as of a day."""


def run_nightly(children: BatchStarter, as_of: date, console: Console) -> float:
    """Publish the warehouse as of a day as its users would; returns the seconds it took.

    Raises EmbeddedStackError with the end of its log if nothing was published.
    """
    console.print(f"Running globalmart batch nightly --as-of {as_of}", style="dim")
    process = children.batch
    process.log_path.touch()
    with process.log_path.open(encoding="utf-8", errors="replace") as log:
        log.seek(0, 2)
        started = time.monotonic()
        children.start_batch(as_of)
        while process.exit_code is None:
            _show(log, console)
            time.sleep(_LOOK_SECONDS)
        seconds = time.monotonic() - started
        _show(log, console)
    code = process.exit_code
    process.stop()  # it has ended; the guard may forget it
    if code != 0:
        raise EmbeddedStackError(
            f"the nightly batch ended with exit code {code}.\n{process.log_tail()}"
        )
    return seconds


def _show(log: TextIO, console: Console) -> None:
    """Pass on what has been written since the last look, whole lines or not."""
    if text := log.read():
        console.print(text, style="dim", end="", markup=False, highlight=False, soft_wrap=True)
