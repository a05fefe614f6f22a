"""Start times of sessions and measurements: Poisson processes along the curve of a day."""

from bisect import bisect_right
from itertools import accumulate
from random import Random
from typing import Final

DAY_US: Final = 86_400_000_000
_HOUR_US: Final = DAY_US // 24
#: Visits per hour of a day: quiet before dawn, a plateau, a peak in the evening.
_HOURS: Final = (28, 18, 12, 9, 8, 11, 20, 36, 55, 72, 84, 90, 94, 92, 88, 86, 88, 94, 106, 122, 130, 118, 88, 52)
NEVER_US: Final = 1 << 62


class DayCurve:
    """Maps operational time, in which visits have a constant rate, to clock time; both in microseconds.

    A Poisson process of constant rate in operational time becomes one that follows the curve
    exactly, with the same number of visits per day (time rescaling; Cinlar, Introduction to
    Stochastic Processes, 4.7).
    """

    __slots__ = ("_levels", "_starts")

    def __init__(self, depth: float) -> None:
        """`depth` scales the curve: 0 is a flat day, 1 the full curve."""
        mean = sum(_HOURS) / len(_HOURS)
        self._levels = [1.0 + depth * (hour / mean - 1.0) for hour in _HOURS]
        self._starts = [0.0, *accumulate(level * _HOUR_US for level in self._levels)][:-1]

    def clock_us(self, operational_us: float) -> float:
        """Returns the clock time of an operational time; increasing."""
        day, within = divmod(operational_us, DAY_US)
        hour = bisect_right(self._starts, within) - 1
        return day * DAY_US + hour * _HOUR_US + (within - self._starts[hour]) / self._levels[hour]

    def operational_us(self, clock_us: float) -> float:
        """Returns the operational time of a clock time; the inverse of `clock_us`."""
        day, within = divmod(clock_us, DAY_US)
        hour = min(23, int(within // _HOUR_US))
        return day * DAY_US + self._starts[hour] + (within - hour * _HOUR_US) * self._levels[hour]


class Arrivals:
    """Successive times of a Poisson process; `next_us` is the next one, in microseconds."""

    __slots__ = ("_curve", "_mean_us", "_rng", "next_us")

    def __init__(self, curve: DayCurve, rng: Random, per_second: float, start_us: int) -> None:
        """Starts with an arrival at `start_us`; with a rate of 0 there is none."""
        self._curve = curve
        self._rng = rng
        self._mean_us = 1_000_000 / per_second if per_second else 0.0
        self.next_us = start_us if per_second else NEVER_US

    def advance(self) -> None:
        """Moves on to the next arrival."""
        gap_us = self._rng.expovariate(1.0) * self._mean_us
        curve = self._curve
        self.next_us = 1 + int(curve.clock_us(curve.operational_us(self.next_us) + gap_us))
