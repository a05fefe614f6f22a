"""Drawing indexes in proportion to weights."""

from bisect import bisect_right
from collections.abc import Iterable
from itertools import accumulate


class Weighted:
    """Indexes 0 to n - 1, each as likely as its weight; immutable after construction."""

    __slots__ = ("_cumulative", "_last")

    def __init__(self, weights: Iterable[float]) -> None:
        """Take non-negative weights, at least one of them positive; raises ValueError otherwise."""
        cumulative = list(accumulate(weights))
        if not cumulative or cumulative[-1] <= 0:
            raise ValueError("weights must hold a positive number")
        total = cumulative[-1]
        self._cumulative = [value / total for value in cumulative]
        self._last = len(cumulative) - 1

    def draw(self, uniform: float) -> int:
        """Return the index that a uniform number in [0, 1) falls on."""
        return min(bisect_right(self._cumulative, uniform), self._last)
