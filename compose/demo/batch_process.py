"""The nightly batch in the demo: the command in its own process, with its output shown."""

import time
from datetime import date
from typing import Final, Protocol

from rich.console import Console

from app.errors import EmbeddedStackError
from compose.embedded.process import ServerProcess

_POLL_SECONDS: Final = 0.2


class BatchStarter(Protocol):
    """Starts the batch's process, which ends by itself."""

    batch: ServerProcess

    def start_batch(self, as_of: date) -> None:
        """Starts a run as of a day."""


class NightlyRun:
    """A run that publishes the warehouse as of a day, started like a user's."""

    def __init__(self, processes: BatchStarter, as_of: date, console: Console) -> None:
        self._process = processes.batch
        self._as_of = as_of
        self._console = console
        self._process.log_path.touch()
        self._log = self._process.log_path.open(encoding="utf-8", errors="replace")
        self._log.seek(0, 2)
        self._rest = ""
        self._started = time.monotonic()
        self._ended: float | None = None
        console.print(f"Running globalmart batch nightly --as-of {as_of}", style="dim")
        processes.start_batch(as_of)

    def poll(self) -> str:
        """Prints the new output of the run; returns its state in a few words, empty once it has ended.

        Raises EmbeddedStackError with the end of its log if it ended and nothing was published.
        """
        if self._ended is not None:
            return ""
        code = self._process.exit_code
        self._print_output()
        seconds = time.monotonic() - self._started
        if code is None:
            return f"batch of {self._as_of} running for {seconds:.0f} s"
        self._ended = seconds
        self._log.close()
        self._process.stop()  # it has ended; the guard need not track it
        if code != 0:
            raise EmbeddedStackError(f"the nightly batch ended with exit code {code}.\n{self._process.log_tail()}")
        return ""

    def finish(self) -> float:
        """Polls until its end; returns its duration in seconds and raises like `poll`."""
        while self._ended is None:
            if self.poll():
                time.sleep(_POLL_SECONDS)
        return self._ended

    def _print_output(self) -> None:
        """Prints whole lines; half a line would damage the status line drawn below."""
        *lines, self._rest = (self._rest + self._log.read()).split("\n")
        if lines:
            text = "\n".join(lines)
            self._console.print(text, style="dim", markup=False, highlight=False, soft_wrap=True)


def run_nightly(processes: BatchStarter, as_of: date, console: Console) -> float:
    """Publishes the warehouse as of a day; returns the duration in seconds.

    Raises EmbeddedStackError with the end of its log if nothing was published.
    """
    return NightlyRun(processes, as_of, console).finish()
