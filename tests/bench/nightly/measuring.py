"""Seconds of the wall and of the processors, over this process and everything it started."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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
def measured() -> Iterator[Spent]:
    """Filled at the end of the block; children that ended meanwhile count as far as they were waited for."""
    spent, began, before = Spent(), monotonic(), _cpu_seconds()
    yield spent
    spent.seconds, spent.cpu_seconds = monotonic() - began, _cpu_seconds() - before


def _cpu_seconds() -> float:
    this = psutil.Process()
    total = 0.0
    for process in (this, *this.children(recursive=True)):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total
