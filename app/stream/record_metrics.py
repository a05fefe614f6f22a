"""Updates the metrics with a committed chunk."""

from collections import Counter as Tally
from collections.abc import Callable, Sequence
from typing import Any, Final

from app.domain.money import CENTS
from app.domain.names import name_or_unknown
from app.events.rows import SourceRecord
from app.events.topics.transactions import TransactionRow
from app.metrics import WorkerMetrics
from app.sink.chunk_slice import CommitResult
from app.topics import SENT_AT_HEADER

_LONGEST_TIME: Final = 15  # digits


def record_result(metrics: WorkerMetrics, topic: str, result: CommitResult[Any]) -> None:
    """Counts the records of a committed slice by their outcome."""
    counts = result.counts
    for name, number in (
        ("stored", counts.stored),
        ("duplicate", counts.duplicates),
        ("dead_letter", counts.dead_lettered),
    ):
        if number:
            metrics.events.labels(topic, name).inc(number)
    for reason, number in Tally(result.rejections).items():
        metrics.dead_letters.labels(topic, reason).inc(number)
    for anomaly_type, number in Tally(result.anomalies).items():
        metrics.anomalies.labels(anomaly_type).inc(number)
    if counts.late:
        metrics.late_events.labels(topic).inc(counts.late)
    if result.progress.watermark_us is not None:
        metrics.last_event_seconds.labels(topic).set(result.progress.watermark_us / 1e6)


def report_sales(metrics: WorkerMetrics, rows: Sequence[TransactionRow]) -> None:
    """Counts revenue and transactions by category and country."""
    by_category: dict[str | None, list[int]] = {}
    by_country: dict[str | None, list[int]] = {}
    for row in rows:
        by_category.setdefault(row.category, []).append(row.amount_cents)
        by_country.setdefault(row.country, []).append(row.amount_cents)
    for category, cents in by_category.items():
        label = metrics.category_label(name_or_unknown(category))
        metrics.transactions_by_category.labels(label).inc(len(cents))
        metrics.revenue_by_category.labels(label).inc(sum(cents) / CENTS)
    for country, cents in by_country.items():
        label = metrics.country_label(name_or_unknown(country))
        metrics.transactions_by_country.labels(label).inc(len(cents))
        metrics.revenue_by_country.labels(label).inc(sum(cents) / CENTS)


def record_latency(metrics: WorkerMetrics, records: Sequence[SourceRecord], clock: Callable[[], float]) -> None:
    """Observes the time from each record's send to now; records without the header are not measured."""
    now = clock()
    metrics.end_to_end_seconds.observe_many(
        now - int(value) / 1000
        for record in records
        for name, value in record.headers
        if name == SENT_AT_HEADER and value is not None and _is_time(value)
    )


def _is_time(value: bytes) -> bool:
    """Whether the header is a time; a producer may send any text, or too many digits for a number."""
    return len(value) <= _LONGEST_TIME and value.isdigit()
