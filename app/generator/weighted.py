"""Drawing indexes in proportion to weights."""

from bisect import bisect_right
from collections.abc import Iterable
from itertools import accumulate


class Weighted:
    """Indexes 0 to n - 1 with probabilities proportional to their weights; immutable."""

    __slots__ = ("_cumulative", "_last")

    def __init__(self, weights: Iterable[float]) -> None:
        """Raises ValueError unless the weights are non-negative and at least one is positive."""
        cumulative = list(accumulate(weights))
        if not cumulative or cumulative[-1] <= 0:
            raise ValueError("weights must hold a positive number")
        total = cumulative[-1]
        self._cumulative = [value / total for value in cumulative]
        self._last = len(cumulative) - 1

    def draw(self, uniform: float) -> int:
        """Returns the index for a uniform number in [0, 1)."""
        return min(bisect_right(self._cumulative, uniform), self._last)
