"""Whether a series of measurements rises: the straight line through it, and what it gains over the time seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import linear_regression, median

#: The first part of a run fills caches, windows and pools.
WARM_UP_SHARE = 0.25


@dataclass(frozen=True, slots=True)
class Trend:
    """`gain` is the slope times the seconds seen; flat when it is at most `allowed`."""

    middle: float
    highest: float
    gain: float
    per_hour: float
    allowed: float

    @property
    def flat(self) -> bool:
        """Nothing is gained beyond what is allowed; a fall is fine."""
        return self.gain <= self.allowed


def trend(seconds: Sequence[float], values: Sequence[float], allowed: float) -> Trend:
    """The trend after the warm-up; needs two samples there."""
    first = int(len(values) * WARM_UP_SHARE)
    times, seen = seconds[first:], values[first:]
    slope = linear_regression(times, seen).slope
    return Trend(
        round(median(seen), 4),
        round(max(seen), 4),
        round(slope * (times[-1] - times[0]), 4),
        round(slope * 3600, 4),
        allowed,
    )
