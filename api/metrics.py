"""Prometheus metrics of the API process."""

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


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
