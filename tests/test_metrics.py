"""Metrics: names and labels are a contract."""

from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from app.metrics import WorkerMetrics
from app.prometheus import LABEL_CAP, OTHER
from app.sink.chunk_slice import CommitResult
from app.sink.ledger import Counts, Progress
from app.stream.record_metrics import record_latency, record_result, report_sales
from tests.events.records import Record
from tests.sink.chunk_slices import order

LABELS: dict[str, tuple[str, ...]] = {
    "globalmart_events": ("topic", "outcome"),
    "globalmart_dead_letters": ("topic", "reason"),
    "globalmart_late_events": ("topic",),
    "globalmart_anomalies": ("type",),
    "globalmart_revenue_by_category": ("category",),
    "globalmart_revenue_by_country": ("country",),
    "globalmart_transactions_by_category": ("category",),
    "globalmart_transactions_by_country": ("country",),
    "globalmart_live_revenue_by_category": ("category",),
    "globalmart_live_revenue_by_country": ("country",),
    "globalmart_live_window_end_seconds": (),
    "globalmart_active_users": (),
    "globalmart_last_event_timestamp_seconds": ("topic",),
    "globalmart_partition_lag_records": ("topic", "partition"),
    "globalmart_watermark_age_seconds": ("topic", "partition"),
    "globalmart_chunk_records": ("topic",),
    "globalmart_chunk_decode_seconds": ("topic",),
    "globalmart_chunk_wait_seconds": ("topic",),
    "globalmart_commit_duration_seconds": ("topic",),
    "globalmart_transaction_chunks": ("topic",),
    "globalmart_sink_failures": ("topic", "error"),
    "globalmart_outbox_published": ("stream",),
    "globalmart_outbox_left_out": ("stream", "left_out"),
    "globalmart_webhook_delivered": (),
    "globalmart_webhook_failures": (),
    "globalmart_webhook_waiting_cases": (),
    "globalmart_system_metric": ("host", "component", "metric"),
    "globalmart_end_to_end_seconds": (),
}


@pytest.fixture
def metrics() -> WorkerMetrics:
    """Metrics in a registry of their own."""
    return WorkerMetrics(CollectorRegistry())


def _shown(metrics: WorkerMetrics, name: str) -> dict[tuple[str, ...], float]:
    """Values of a metric by its labels' values; what was created when is left out."""
    return {
        tuple(sample.labels.values()): sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == name
    }


def test_names_and_labels(metrics: WorkerMetrics) -> None:
    labels = {
        collector._name: tuple(collector._labelnames)
        for collector in vars(metrics).values()
        if hasattr(collector, "_labelnames")
    }
    assert labels | {"globalmart_end_to_end_seconds": ()} == LABELS
    assert {family.name for family in metrics.registry.collect()} == set(LABELS)


def test_committed_records_are_counted_by_what_became_of_them(metrics: WorkerMetrics) -> None:
    outcome = CommitResult(
        0,
        Progress(9, 1_500_000),
        [order(0)],
        [0],
        Counts(stored=3, duplicates=2, dead_lettered=4, late=1),
        ["high_value", "high_value", "unusual_quantity"],
        ["key_mismatch", "malformed_json", "malformed_json", "malformed_json"],
    )
    for _ in range(2):
        record_result(metrics, "transactions", outcome)
    assert _shown(metrics, "globalmart_events_total") == {
        ("transactions", "stored"): 6,
        ("transactions", "duplicate"): 4,
        ("transactions", "dead_letter"): 8,
    }
    assert _shown(metrics, "globalmart_dead_letters_total") == {
        ("transactions", "key_mismatch"): 2,
        ("transactions", "malformed_json"): 6,
    }
    assert _shown(metrics, "globalmart_anomalies_total") == {("high_value",): 4, ("unusual_quantity",): 2}
    assert _shown(metrics, "globalmart_late_events_total") == {("transactions",): 2}
    assert _shown(metrics, "globalmart_last_event_timestamp_seconds") == {("transactions",): 1.5}


def test_sales_by_category_and_country(metrics: WorkerMetrics) -> None:
    rows = [
        order(0, amount_cents=150, category="a", country="X"),
        order(1, amount_cents=50, category="a", country=None),
        order(2, amount_cents=0, category=None, country="X"),
    ]
    report_sales(metrics, rows)
    assert _shown(metrics, "globalmart_revenue_by_category_total") == {("a",): 2, ("unknown",): 0}
    assert _shown(metrics, "globalmart_revenue_by_country_total") == {("X",): 1.5, ("unknown",): 0.5}
    transactions = "globalmart_transactions_by_category_total"
    assert _shown(metrics, transactions) == {("a",): 2, ("unknown",): 1}
    transactions = "globalmart_transactions_by_country_total"
    assert _shown(metrics, transactions) == {("X",): 2, ("unknown",): 1}


def test_names_beyond_the_cap_are_added_up(metrics: WorkerMetrics) -> None:
    rows = [order(n, amount_cents=100, category=f"c{n:03}") for n in range(LABEL_CAP + 5)]
    report_sales(metrics, rows)
    report_sales(metrics, rows)
    shown = _shown(metrics, "globalmart_revenue_by_category_total")
    assert len(shown) == LABEL_CAP + 1
    assert shown[OTHER,] == 10
    assert shown["c000",] == 2


def test_latency_is_read_from_the_header(metrics: WorkerMetrics) -> None:
    headers: Iterator[list[tuple[str, bytes]]] = iter(
        [
            [("sent_at_ms", b"10000")],
            [("other", b"1"), ("sent_at_ms", b"9500")],
            [("sent_at_ms", b"yesterday")],
            [("sent_at_ms", b"")],
            [("sent_at_ms", b"-5")],
            [],
        ]
    )
    record_latency(metrics, [Record(b"", headers=each) for each in headers], lambda: 10.25)
    assert _shown(metrics, "globalmart_end_to_end_seconds_count") == {(): 2}
    assert _shown(metrics, "globalmart_end_to_end_seconds_sum") == {(): 1.0}


def test_what_is_scraped_can_be_parsed(metrics: WorkerMetrics) -> None:
    from prometheus_client import generate_latest

    metrics.end_to_end_seconds.observe_many([0.01])
    text = generate_latest(metrics.registry).decode()
    assert {family.name for family in text_string_to_metric_families(text)} >= {
        "globalmart_end_to_end_seconds",
        "globalmart_active_users",
    }
