"""Prometheus metrics of the worker: names, units and labels in one place.

Base units, `_total` on counters, no label that grows with users or products; categories and countries are capped.
Money here is for monitoring: Prometheus extrapolates counters and they are reset; exact figures are in PostgreSQL.
"""

from collections.abc import Sequence
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from app.prometheus import BulkHistogram, CappedLabel

_LATENCY_BOUNDS: Final = (
    0.005,
    0.01,
    0.02,
    0.03,
    0.04,
    0.06,
    0.08,
    0.1,
    0.15,
    0.2,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    30.0,
    60.0,
    300.0,
)

_STEP_BOUNDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 30)


class _Factory:
    """Creates metrics on one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def counter(self, name: str, documentation: str, *labels: str) -> Counter:
        return Counter(name, documentation, labels, registry=self._registry)

    def gauge(self, name: str, documentation: str, *labels: str) -> Gauge:
        return Gauge(name, documentation, labels, registry=self._registry)

    def histogram(self, name: str, documentation: str, *labels: str, buckets: Sequence[float]) -> Histogram:
        return Histogram(name, documentation, labels, buckets=buckets, registry=self._registry)


class StreamMetrics:
    """Records and the progress of the stream."""

    def __init__(self, registry: CollectorRegistry) -> None:
        make = _Factory(registry)
        self.events = make.counter("globalmart_events", "Records by topic and outcome.", "topic", "outcome")
        self.dead_letters = make.counter(
            "globalmart_dead_letters", "Rejected records by topic and reason.", "topic", "reason"
        )
        self.late_events = make.counter(
            "globalmart_late_events", "Stored events behind the watermark by more than allowed.", "topic"
        )
        self.last_event_seconds = make.gauge(
            "globalmart_last_event_timestamp_seconds", "Event time of the newest stored record.", "topic"
        )
        self.partition_lag = make.gauge(
            "globalmart_partition_lag_records", "Records in Kafka beyond the ledger.", "topic", "partition"
        )
        self.watermark_seconds = make.gauge(
            "globalmart_watermark_age_seconds", "Age of the watermark of a partition.", "topic", "partition"
        )
        self.system_metric = make.gauge(
            "globalmart_system_metric",
            "Newest value of the shop's hosts, in the sender's unit.",
            "host",
            "component",
            "metric",
        )


class SalesMetrics:
    """Money, orders and anomalies; labels are capped."""

    def __init__(self, registry: CollectorRegistry) -> None:
        make = _Factory(registry)
        self.category_label = CappedLabel()
        self.country_label = CappedLabel()
        self.anomalies = make.counter("globalmart_anomalies", "Anomalies raised by type.", "type")
        self.revenue_by_category = make.counter(
            "globalmart_revenue_by_category", "Revenue stored, by category.", "category"
        )
        self.revenue_by_country = make.counter(
            "globalmart_revenue_by_country", "Revenue stored, by country.", "country"
        )
        self.transactions_by_category = make.counter(
            "globalmart_transactions_by_category", "Transactions stored, by category.", "category"
        )
        self.transactions_by_country = make.counter(
            "globalmart_transactions_by_country", "Transactions stored, by country.", "country"
        )
        self.live_revenue_by_category = make.gauge(
            "globalmart_live_revenue_by_category",
            "Revenue of the last 60 s of this worker's partitions, by category.",
            "category",
        )
        self.live_revenue_by_country = make.gauge(
            "globalmart_live_revenue_by_country",
            "Revenue of the last 60 s of this worker's partitions, by country.",
            "country",
        )
        self.live_window_end_seconds = make.gauge(
            "globalmart_live_window_end_seconds", "Unix time at which the live revenue windows end."
        )
        self.active_users = make.gauge("globalmart_active_users", "Users whose velocity is in memory.")


class SinkMetrics:
    """Commits to PostgreSQL."""

    def __init__(self, registry: CollectorRegistry) -> None:
        make = _Factory(registry)
        self.chunk_records = make.histogram(
            "globalmart_chunk_records",
            "Records per committed chunk.",
            "topic",
            buckets=(1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000),
        )
        self.transaction_chunks = make.histogram(
            "globalmart_transaction_chunks", "Chunks per transaction.", "topic", buckets=(1, 2, 3, 5, 10, 25, 50, 100)
        )
        self.chunk_decode_seconds = make.histogram(
            "globalmart_chunk_decode_seconds", "Time to decode a chunk.", "topic", buckets=_STEP_BOUNDS
        )
        self.chunk_wait_seconds = make.histogram(
            "globalmart_chunk_wait_seconds",
            "Time from a decoded chunk to the start of its transaction.",
            "topic",
            buckets=_STEP_BOUNDS,
        )
        self.commit_duration_seconds = make.histogram(
            "globalmart_commit_duration_seconds",
            "Time of a chunk's transaction, with its retries.",
            "topic",
            buckets=_STEP_BOUNDS,
        )
        self.sink_failures = make.counter(
            "globalmart_sink_failures", "Failed attempts to commit a chunk, by kind of error.", "topic", "error"
        )
        self.end_to_end_seconds = BulkHistogram(
            "globalmart_end_to_end_seconds",
            "Time from the producer's send to this worker's clock after COMMIT.",
            _LATENCY_BOUNDS,
        )
        registry.register(self.end_to_end_seconds)


class DeliveryMetrics:
    """What leaves PostgreSQL again: the outbox's copies and the webhook's cases."""

    def __init__(self, registry: CollectorRegistry) -> None:
        make = _Factory(registry)
        self.outbox_published = make.counter(
            "globalmart_outbox_published", "Rows copied to their Kafka topic.", "stream"
        )
        self.outbox_left_out = make.counter(
            "globalmart_outbox_left_out",
            "Rows copied in part because Kafka rejected the whole: without value, key,value or everything.",
            "stream",
            "left_out",
        )
        self.webhook_delivered = make.counter(
            "globalmart_webhook_delivered", "Cases that the webhook's receiver accepted."
        )
        self.webhook_failures = make.counter("globalmart_webhook_failures", "Failed attempts to send to the webhook.")
        self.webhook_waiting = make.gauge(
            "globalmart_webhook_waiting_cases",
            "Cases that the webhook has not sent yet; of the worker that sends them.",
        )


class WorkerMetrics(StreamMetrics, SalesMetrics, SinkMetrics, DeliveryMetrics):
    """All metrics of a worker."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        StreamMetrics.__init__(self, registry)
        SalesMetrics.__init__(self, registry)
        SinkMetrics.__init__(self, registry)
        DeliveryMetrics.__init__(self, registry)
