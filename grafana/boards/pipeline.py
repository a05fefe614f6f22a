"""The pipeline dashboard: lag, latency, rejected records and resources of the stream from Kafka to PostgreSQL."""

from collections.abc import Sequence

from grafana_foundation_sdk.models.dashboard import Dashboard
from grafana_foundation_sdk.models.units import (
    BytesSI,
    CountsPerSecond,
    DatetimeISO,
    NoUnit,
    PercentUnit,
    RecordsPerSecond,
    RequestsPerSecond,
    Seconds,
    Short,
)

from grafana import panels, promql
from grafana.panels import Panel, bar_panel, chart, now, over_time, rows, stat_panel, table_panel
from grafana.sql import stores as sql


def build() -> Dashboard:
    """Builds the dashboard."""
    made = panels.board(
        "pipeline",
        "GlobalMart Pipeline",
        "Workers, PostgreSQL and the API: rates, lag, latency, rejected records, memory and disk.",
    )
    return panels.layout(
        made,
        {
            "State": _state(),
            "Flow": _flow(),
            "Latency and sink": _sink(),
            "Rejected, late, duplicate": _rejected(),
            "Resources": _resources(),
            "API and the shop's hosts": _others(),
        },
    )


def _state() -> Sequence[Panel]:
    return (
        stat_panel("Alerts", "Firing alerts; Prometheus lists them at /alerts.", Short, now(promql.FIRING_ALERTS)),
        stat_panel(
            "Processes up",
            "1 for each worker and API that answers Prometheus, 0 for one that does not.",
            NoUnit,
            now(promql.PROCESSES_UP, "{{instance}}"),
        ),
        stat_panel(
            "Users in memory",
            "Users whose recent orders are in the workers' memory for the velocity rule.",
            Short,
            now(promql.ACTIVE_USERS),
        ),
        stat_panel(
            "Failed commits",
            "Failed attempts to commit a chunk since the workers started; each was retried.",
            Short,
            now(promql.SINK_FAILURES),
        ),
    )


def _flow() -> Sequence[Panel]:
    return (
        chart(
            "Records per second",
            "Committed records by topic.",
            RecordsPerSecond,
            over_time(promql.RECORDS_PER_SECOND, "{{topic}}"),
        ),
        chart(
            "Outcomes per second",
            "Committed records by outcome.",
            RecordsPerSecond,
            over_time(promql.OUTCOMES_PER_SECOND, "{{outcome}}"),
        ),
        chart(
            "Lag",
            "Records in Kafka beyond the ledger, by topic; there is an alert for it.",
            Short,
            over_time(promql.LAG, "{{topic}}"),
        ),
        chart(
            "Watermark age",
            "Age of the oldest watermark of each topic, and time since its newest event.",
            Seconds,
            over_time(promql.WATERMARK_AGE, "{{topic}} oldest"),
            over_time(promql.LAST_EVENT_AGE, "{{topic}} newest"),
        ),
    )


def _sink() -> Sequence[Panel]:
    return (
        chart(
            "From sent to committed",
            "Time from the producer's send to the worker's clock after COMMIT, all topics; there is an "
            "alert for the 99th percentile.",
            Seconds,
            over_time(promql.latency(0.5), "p50"),
            over_time(promql.latency(0.99), "p99"),
        ),
        chart(
            "Sink",
            "Time of a chunk's transaction, by topic.",
            Seconds,
            over_time(promql.commit_duration_seconds(0.5), "{{topic}} p50"),
            over_time(promql.commit_duration_seconds(0.99), "{{topic}} p99"),
        ),
        chart(
            "Chunk size",
            "Records per committed chunk: small when idle, large under load.",
            Short,
            over_time(promql.chunk_records(0.5), "{{topic}} p50"),
            over_time(promql.chunk_records(0.95), "{{topic}} p95"),
            width=8,
        ),
        chart(
            "Outbox",
            "Anomalies and dead letters copied to their topics.",
            CountsPerSecond,
            over_time(promql.OUTBOX_PER_SECOND, "{{stream}}"),
            width=8,
        ),
        chart(
            "Failed commits by error",
            "Counted since the workers started; there is an alert for them.",
            Short,
            over_time(promql.SINK_FAILURES_BY_ERROR, "{{error}}"),
            width=8,
        ),
    )


def _rejected() -> Sequence[Panel]:
    return (
        chart(
            "Dead letters per second",
            "Rejected records by reason; there is an alert for their share.",
            RecordsPerSecond,
            over_time(promql.DEAD_LETTERS_PER_SECOND, "{{reason}}"),
        ),
        chart(
            "Late events per second",
            "Stored events behind their watermark by more than allowed; they count like all others.",
            RecordsPerSecond,
            over_time(promql.LATE_EVENTS_PER_SECOND, "{{topic}}"),
        ),
        table_panel(
            "Ledger",
            "Outcomes of all records since the beginning: consumed is stored plus duplicates plus "
            "dead letters, always.",
            Short,
            rows(sql.LEDGER),
        ),
        table_panel(
            "Latest dead letters",
            "The fifty newest rejected records with reason and detail.",
            NoUnit,
            rows(sql.LATEST_DEAD_LETTERS),
            units={"created_at": DatetimeISO},
        ),
    )


def _resources() -> Sequence[Panel]:
    return (
        chart(
            "Memory",
            "Resident memory of each worker and API.",
            BytesSI,
            over_time(promql.MEMORY, "{{job}} {{instance}}"),
        ),
        chart("CPU", "CPU cores used by each process.", Short, over_time(promql.CPU, "{{job}} {{instance}}")),
        chart(
            "Free disk",
            "Free share of the disk of each process's data folder; there is an alert for it.",
            PercentUnit,
            over_time(promql.DISK_FREE_SHARE, "{{job}} {{instance}}"),
        ),
        bar_panel(
            "Table sizes",
            "The fifteen largest tables of PostgreSQL with their indexes.",
            BytesSI,
            rows(sql.TABLE_SIZES),
        ),
    )


def _others() -> Sequence[Panel]:
    return (
        chart(
            "API requests per second",
            "Requests to the API by status.",
            RequestsPerSecond,
            over_time(promql.API_REQUESTS_PER_SECOND, "{{status}}"),
        ),
        chart(
            "API p99",
            "99th percentile of the time to the end of a response, by route.",
            Seconds,
            over_time(promql.api_seconds(0.99), "{{route}}"),
        ),
        chart(
            "Event streams",
            "Clients connected to the stream of anomalies.",
            Short,
            over_time(promql.API_EVENT_STREAMS, "streams"),
        ),
        chart(
            "Usage of the shop's hosts",
            "Newest usage ratios of processors and memory of the shop's hosts.",
            PercentUnit,
            over_time(promql.shop_hosts("usage_ratio"), "{{host}} {{component}}"),
        ),
    )
