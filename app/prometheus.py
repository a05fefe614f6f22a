"""Metrics of every process, and metric types that the Prometheus client does not have."""

import shutil
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

LABEL_CAP: Final = 200
OTHER: Final = "other"


class CappedLabel:
    """Keeps the first 200 values of a label; the rest become `other`."""

    def __init__(self, cap: int = LABEL_CAP) -> None:
        self._cap = cap
        self._known: set[str] = set()

    def __call__(self, value: str) -> str:
        """Returns the label for the value."""
        if value in self._known:
            return value
        if len(self._known) >= self._cap:
            return OTHER
        self._known.add(value)
        return value


class BulkHistogram(Collector):
    """A histogram for many observations at once; prometheus_client's locks for every single one."""

    def __init__(self, name: str, documentation: str, bounds: Sequence[float]) -> None:
        self._name = name
        self._documentation = documentation
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe_many(self, values: Iterable[float]) -> None:
        """Counts the values."""
        for value in values:
            self._counts[bisect_left(self._bounds, value)] += 1
            self._sum += value

    def counts(self) -> dict[float, int]:
        """Returns the observations per bucket by its upper bound, not cumulative."""
        return dict(zip([*self._bounds, float("inf")], self._counts, strict=True))

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """Yields the current state, cumulative per bucket."""
        cumulative, buckets = 0, []
        for bound, count in zip([*map(str, self._bounds), "+Inf"], self._counts, strict=True):
            cumulative += count
            buckets.append((bound, cumulative))
        yield HistogramMetricFamily(self._name, self._documentation, buckets=buckets, sum_value=self._sum)


def register_process(registry: CollectorRegistry, var_dir: Path) -> None:
    """Adds the `process_*` metrics of the Prometheus client and the disk of `var_dir` to the registry."""
    ProcessCollector(registry=registry)
    registry.register(DiskCollector(var_dir))


def disk_of(folder: Path) -> tuple[Path, Any]:
    """Returns the folder, or its nearest existing parent, and the `shutil.disk_usage` of its file system."""
    folder = folder.absolute()
    present = next(path for path in (folder, *folder.parents) if path.exists())
    return present, shutil.disk_usage(present)


class DiskCollector(Collector):
    """Size and free bytes of the file system of a folder, which may not exist yet."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yields the current state, read at every scrape."""
        _, usage = disk_of(self._folder)
        yield GaugeMetricFamily(
            "globalmart_disk_free_bytes", "Free bytes of the data folder's file system.", value=usage.free
        )
        yield GaugeMetricFamily(
            "globalmart_disk_size_bytes", "Size of the data folder's file system.", value=usage.total
        )
