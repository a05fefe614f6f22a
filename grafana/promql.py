"""Named PromQL queries. Counters become rates; quantiles are over all workers.

Rates use `$__rate_interval`, which Grafana sets to at least four scrapes.
"""

from typing import Final

_RATE: Final = "$__rate_interval"


def _rate(counter: str, *by: str) -> str:
    """Increase per second of a counter, summed over all labels except `by`."""
    over = f" by ({', '.join(by)})" if by else ""
    return f"sum{over} (rate({counter}[{_RATE}]))"


def _quantile(quantile: float, histogram: str, *by: str) -> str:
    """Quantile of a histogram, per `by`."""
    return f"histogram_quantile({quantile}, {_rate(f'{histogram}_bucket', 'le', *by)})"


#: Committed records by topic.
RECORDS_PER_SECOND: Final = _rate("globalmart_events_total", "topic")
#: Committed records by outcome.
OUTCOMES_PER_SECOND: Final = _rate("globalmart_events_total", "outcome")
#: Rejected records by reason.
DEAD_LETTERS_PER_SECOND: Final = _rate("globalmart_dead_letters_total", "reason")
#: Stored events behind their watermark by more than allowed, by topic.
LATE_EVENTS_PER_SECOND: Final = _rate("globalmart_late_events_total", "topic")
#: Stored orders by country.
ORDERS_PER_SECOND: Final = _rate("globalmart_transactions_by_country_total", "country")
#: Stored orders of the ten categories with the most.
ORDERS_PER_SECOND_BY_CATEGORY: Final = f"topk(10, {_rate('globalmart_transactions_by_category_total', 'category')})"
#: Raised anomalies by type.
ANOMALIES_PER_SECOND: Final = _rate("globalmart_anomalies_total", "type")
#: Anomalies of each type per stored order.
ANOMALY_SHARE: Final = f"{ANOMALIES_PER_SECOND} / ignoring (type) group_left () " + _rate(
    'globalmart_events_total{topic="transactions", outcome="stored"}'
)
#: Records in Kafka beyond the ledger, by topic.
LAG: Final = "sum by (topic) (globalmart_partition_lag_records)"
#: Age of the oldest watermark of a topic.
WATERMARK_AGE: Final = "max by (topic) (globalmart_watermark_age_seconds)"
#: Time since the newest stored event, by topic.
LAST_EVENT_AGE: Final = "time() - max by (topic) (globalmart_last_event_timestamp_seconds)"


def latency(quantile: float) -> str:
    """Quantile of the time from sent to committed."""
    return _quantile(quantile, "globalmart_end_to_end_seconds")


def chunk_records(quantile: float) -> str:
    """Quantile of the records per committed chunk, by topic."""
    return _quantile(quantile, "globalmart_chunk_records", "topic")


def commit_duration_seconds(quantile: float) -> str:
    """Quantile of the time of a chunk's transaction, by topic."""
    return _quantile(quantile, "globalmart_commit_duration_seconds", "topic")


#: Failed attempts to commit since the workers started; 0 if there was none.
#:
#: Not `increase()`: a counter that begins with its first failure does not count that one as an increase.
SINK_FAILURES: Final = "sum (globalmart_sink_failures_total) or vector(0)"
#: The same by error.
SINK_FAILURES_BY_ERROR: Final = "sum by (error) (globalmart_sink_failures_total)"
#: Rows copied to their output topic.
OUTBOX_PER_SECOND: Final = _rate("globalmart_outbox_published_total", "stream")
#: Users whose recent orders are in a worker's memory.
ACTIVE_USERS: Final = "sum (globalmart_active_users)"
#: Resident memory of each process.
MEMORY: Final = "process_resident_memory_bytes"
#: CPU cores used by each process.
CPU: Final = f"rate(process_cpu_seconds_total[{_RATE}])"
#: Free share of each process's disk.
DISK_FREE_SHARE: Final = "globalmart_disk_free_bytes / globalmart_disk_size_bytes"


def shop_hosts(metric: str) -> str:
    """Newest value of one metric of the shop's hosts, exported by the workers."""
    return f'max by (host, component) (globalmart_system_metric{{metric="{metric}"}})'


#: Requests to the API by status.
API_REQUESTS_PER_SECOND: Final = _rate("globalmart_api_requests_total", "status")


def api_seconds(quantile: float) -> str:
    """Quantile of the time to the end of a response, by route."""
    return _quantile(quantile, "globalmart_api_request_seconds", "route")


#: Event streams open now.
API_EVENT_STREAMS: Final = "sum (globalmart_api_event_streams)"
#: Number of firing alerts.
FIRING_ALERTS: Final = 'count(ALERTS{alertstate="firing"}) or vector(0)'
#: 1 for each process that answers Prometheus, 0 for one that does not.
PROCESSES_UP: Final = 'up{job=~"globalmart-.+"}'
#: Time since each batch job last published.
BATCH_AGE: Final = "max by (command) (globalmart_batch_age_seconds)"
#: Time at which each batch job last published, in milliseconds for Grafana.
BATCH_LAST_SUCCESS: Final = "max by (command) (globalmart_batch_last_success_timestamp_seconds) * 1000"
#: Duration of each batch job's last run.
BATCH_SECONDS: Final = "max by (command) (globalmart_batch_duration_seconds)"
#: 1 if a job's last run was published, 0 if it failed.
BATCH_SUCCESS: Final = "min by (command) (globalmart_batch_last_run_success)"
#: Rows of each mart as last published.
MART_ROWS: Final = "max by (mart) (globalmart_batch_rows)"
