"""Prometheus metrics of the API process.

Those of the nightly batch come from its file in the data folder, with the age of the last success. The batch runs for
minutes a night and cannot be scraped. It writes a file; a process that shares the folder exports the file, which is
read at every scrape.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

_LAST_SUCCESS: Final = "globalmart_batch_last_success_timestamp_seconds"
_AGE: Final = "globalmart_batch_age_seconds"


class BatchCollector(Collector):
    """Exports the batch's metrics; nothing before its first run. `clock` returns Unix seconds."""

    def __init__(self, path: Path, clock: Callable[[], float]) -> None:
        self._path = path
        self._clock = clock

    def describe(self) -> Iterator[Metric]:
        """Yields nothing: the metrics are known only from the file."""
        yield from ()

    def collect(self) -> Iterator[Metric]:
        """Yields the file's current metrics, and the age of each last success."""
        if not self._path.exists():
            return
        for family in text_string_to_metric_families(self._path.read_text(encoding="utf-8")):
            yield family
            if family.name == _LAST_SUCCESS:
                yield self._ages(family)

    def _ages(self, successes: Metric) -> Metric:
        ages = GaugeMetricFamily(_AGE, "Time since the last published run ended.", labels=["command"])
        for sample in successes.samples:
            ages.add_metric([sample.labels["command"]], self._clock() - sample.value)
        return ages


class ApiMetrics:
    """All metrics of the API; routes are templates, never URLs."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self.requests = Counter(
            "globalmart_api_requests",
            "Requests by route, method and status.",
            ["route", "method", "status"],
            registry=registry,
        )
        self.request_seconds = Histogram(
            "globalmart_api_request_seconds",
            "Time to the end of a response, without event streams.",
            ["route"],
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
            registry=registry,
        )
        self.streams = Gauge("globalmart_api_event_streams", "Event streams open now.", registry=registry)
        self.open_streams = 0

    @contextmanager
    def stream(self) -> Iterator[None]:
        """Counts an event stream while it is open."""
        self.open_streams += 1
        self.streams.inc()
        try:
            yield
        finally:
            self.open_streams -= 1
            self.streams.dec()
