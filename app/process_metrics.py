"""What every process that Prometheus scrapes shows of itself: memory, CPU, and the disk its data folder is on."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector


def register_process(registry: CollectorRegistry, var_dir: Path) -> None:
    """Add the `process_*` metrics of the Prometheus client and the disk of `var_dir` to the registry."""
    ProcessCollector(registry=registry)
    registry.register(DiskCollector(var_dir))


class DiskCollector(Collector):
    """Size and free bytes of the file system a folder is on, or will be on once it is made."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The present state, asked of the system at every scrape."""
        existing = next(path for path in (self._folder, *self._folder.parents) if path.exists())
        usage = shutil.disk_usage(existing)
        yield GaugeMetricFamily(
            "globalmart_disk_free_bytes", "Free bytes where the data folder is.", value=usage.free
        )
        yield GaugeMetricFamily(
            "globalmart_disk_size_bytes", "Size of the file system there.", value=usage.total
        )
