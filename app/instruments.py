"""Instruments that Prometheus's client lacks: a label with few values, a histogram for many observations at once."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector

LABEL_CAP: Final = 200
OTHER: Final = "other"


class CappedLabel:
    """Lets the first 200 values of a label through; the rest are `other`."""

    def __init__(self, cap: int = LABEL_CAP) -> None:
        self._cap = cap
        self._known: set[str] = set()

    def __call__(self, value: str) -> str:
        """The label to use for the value."""
        if value in self._known:
            return value
        if len(self._known) >= self._cap:
            return OTHER
        self._known.add(value)
        return value


class BulkHistogram(Collector):
    """A histogram that takes many observations at once; prometheus_client's locks for every single one."""

    def __init__(self, name: str, documentation: str, bounds: Sequence[float]) -> None:
        self._name = name
        self._documentation = documentation
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe_many(self, values: Iterable[float]) -> None:
        """Count the values."""
        for value in values:
            self._counts[bisect_left(self._bounds, value)] += 1
            self._sum += value

    def counts(self) -> dict[float, int]:
        """Observations per bucket by its upper bound, not cumulative."""
        return dict(zip([*self._bounds, float("inf")], self._counts, strict=True))

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """The present state, cumulative per bucket."""
        cumulative, buckets = 0, []
        for bound, count in zip([*map(str, self._bounds), "+Inf"], self._counts, strict=True):
            cumulative += count
            buckets.append((bound, cumulative))
        yield HistogramMetricFamily(
            self._name, self._documentation, buckets=buckets, sum_value=self._sum
        )
