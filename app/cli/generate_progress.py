"""Shows on standard error how far a run of the generator has come."""

import time
from types import TracebackType
from typing import Final, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from app.generator.playback import FOREVER_US

_LINE_SECONDS: Final = 10.0
_BAR_SECONDS: Final = 0.2


class ProgressView:
    """A bar where the end is known, else a line every ten seconds."""

    def __init__(self, console: Console) -> None:
        self._console = console
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} % {task.fields[sent]:,} records"),
            TimeRemainingColumn(),
        )
        self._bar = Progress(*columns, console=console)
        self._task: TaskID | None = None
        self._start_us = 0
        self._next_seconds = 0.0
        self._last = (time.monotonic(), 0)
        self._reached = (0, 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._draw(self._task)
        self._bar.stop()

    def begin(self, start_us: int, end_us: int) -> None:
        """Take the span of the job in microseconds."""
        self._last = (time.monotonic(), 0)
        if end_us < FOREVER_US:
            self._start_us = start_us
            self._bar.start()
            self._task = self._bar.add_task("Generating", total=end_us - start_us, sent=0)
        else:
            self._next_seconds = time.monotonic() + _LINE_SECONDS

    def advance(self, sent: int, at_us: int) -> None:
        """Take the records sent so far and the job's time."""
        now = time.monotonic()
        self._reached = (sent, at_us)
        if now < self._next_seconds:
            return
        if self._task is None:
            self._next_seconds = now + _LINE_SECONDS
            self._line(now, sent)
        else:
            self._next_seconds = now + _BAR_SECONDS
            self._draw(self._task)

    def say(self, text: str) -> None:
        """Print a notice."""
        self._console.print(text, highlight=False, markup=False)

    def _draw(self, task: TaskID) -> None:
        sent, at_us = self._reached
        self._bar.update(task, completed=at_us - self._start_us, sent=sent)

    def _line(self, now: float, sent: int) -> None:
        before, sent_before = self._last
        self._last = (now, sent)
        self.say(f"Generated {sent:,} records, {(sent - sent_before) / (now - before):,.0f}/s")
