"""Seconds of the wall and of the processors, over this process and everything it started."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic

import psutil


@dataclass(slots=True)
class Spent:
    """What a block took; on a busy machine the processors' seconds are the figure to compare."""

    seconds: float = 0.0
    cpu_seconds: float = 0.0

    def report(self) -> dict[str, float]:
        """Rounded for the report."""
        return {"seconds": round(self.seconds, 2), "cpu_seconds": round(self.cpu_seconds, 2)}


@contextmanager
def measured(leave_out: int | None = None) -> Iterator[Spent]:
    """Filled at the end of the block; children that ended meanwhile count as far as they were waited for.

    The child with the id `leave_out` does not count.
    """
    spent, began, before = Spent(), monotonic(), _cpu_seconds(leave_out)
    yield spent
    spent.seconds, spent.cpu_seconds = monotonic() - began, _cpu_seconds(leave_out) - before


@dataclass(slots=True)
class Laps:
    """What was spent from one call of `lap` to the next, by the line it was called with."""

    spent: dict[str, Spent] = field(default_factory=dict)
    _seconds: float = field(default_factory=monotonic)
    _cpu_seconds: float = field(default_factory=lambda: _cpu_seconds())

    def lap(self, line: str) -> None:
        """End a lap, and begin the next."""
        seconds, cpu_seconds = monotonic(), _cpu_seconds()
        self.spent[line] = Spent(seconds - self._seconds, cpu_seconds - self._cpu_seconds)
        self._seconds, self._cpu_seconds = seconds, cpu_seconds


def _cpu_seconds(leave_out: int | None = None) -> float:
    this = psutil.Process()
    total = 0.0
    for process in (this, *this.children(recursive=True)):
        if process.pid == leave_out:
            continue
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total
