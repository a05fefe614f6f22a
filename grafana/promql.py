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


def records_per_second() -> str:
    """Committed records by topic."""
    return _rate("globalmart_events_total", "topic")


def outcomes_per_second() -> str:
    """Committed records by outcome."""
    return _rate("globalmart_events_total", "outcome")


def dead_letters_per_second() -> str:
    """Rejected records by reason."""
    return _rate("globalmart_dead_letters_total", "reason")


def late_events_per_second() -> str:
    """Stored events behind their watermark by more than allowed, by topic."""
    return _rate("globalmart_late_events_total", "topic")


def orders_per_second() -> str:
    """Stored orders by country."""
    return _rate("globalmart_transactions_by_country_total", "country")


def orders_per_second_by_category() -> str:
    """Stored orders of the ten categories with the most."""
    return f"topk(10, {_rate('globalmart_transactions_by_category_total', 'category')})"


def anomalies_per_second() -> str:
    """Raised anomalies by type."""
    return _rate("globalmart_anomalies_total", "type")


def anomaly_share() -> str:
    """Anomalies of each type per stored order."""
    stored = 'globalmart_events_total{topic="transactions", outcome="stored"}'
    return f"{anomalies_per_second()} / ignoring (type) group_left () {_rate(stored)}"


def lag() -> str:
    """Records in Kafka beyond the ledger, by topic."""
    return "sum by (topic) (globalmart_partition_lag_records)"


def watermark_age() -> str:
    """Age of the oldest watermark of a topic."""
    return "max by (topic) (globalmart_watermark_age_seconds)"


def last_event_age() -> str:
    """Time since the newest stored event, by topic."""
    return "time() - max by (topic) (globalmart_last_event_timestamp_seconds)"


def latency(quantile: float) -> str:
    """Quantile of the time from sent to committed."""
    return _quantile(quantile, "globalmart_end_to_end_seconds")


def chunk_records(quantile: float) -> str:
    """Quantile of the records per committed chunk, by topic."""
    return _quantile(quantile, "globalmart_chunk_records", "topic")


def commit_duration_seconds(quantile: float) -> str:
    """Quantile of the time from a decoded chunk to its commit, by topic."""
    return _quantile(quantile, "globalmart_commit_duration_seconds", "topic")


def sink_failures() -> str:
    """Failed attempts to commit since the workers started; 0 if there was none.

    Not `increase()`: a counter that begins with its first failure does not count that one as an increase.
    """
    return "sum (globalmart_sink_failures_total) or vector(0)"


def sink_failures_by_error() -> str:
    """The same by error."""
    return "sum by (error) (globalmart_sink_failures_total)"


def outbox_per_second() -> str:
    """Rows copied to their output topic."""
    return _rate("globalmart_outbox_published_total", "stream")


def active_users() -> str:
    """Users whose recent orders are in a worker's memory."""
    return "sum (globalmart_active_users)"


def memory() -> str:
    """Resident memory of each process."""
    return "process_resident_memory_bytes"


def cpu() -> str:
    """CPU cores used by each process."""
    return f"rate(process_cpu_seconds_total[{_RATE}])"


def disk_free_share() -> str:
    """Free share of each process's disk."""
    return "globalmart_disk_free_bytes / globalmart_disk_size_bytes"


def shop_hosts(metric: str) -> str:
    """Newest value of one metric of the shop's hosts, exported by the workers."""
    return f'max by (host, component) (globalmart_system_metric{{metric="{metric}"}})'


def api_requests_per_second() -> str:
    """Requests to the API by status."""
    return _rate("globalmart_api_requests_total", "status")


def api_seconds(quantile: float) -> str:
    """Quantile of the time to the end of a response, by route."""
    return _quantile(quantile, "globalmart_api_request_seconds", "route")


def api_event_streams() -> str:
    """Event streams open now."""
    return "sum (globalmart_api_event_streams)"


def firing_alerts() -> str:
    """Number of firing alerts."""
    return 'count(ALERTS{alertstate="firing"}) or vector(0)'


def processes_up() -> str:
    """1 for each process that answers Prometheus, 0 for one that does not."""
    return 'up{job=~"globalmart-.+"}'


def batch_age() -> str:
    """Time since each batch job last published."""
    return "max by (command) (globalmart_batch_age_seconds)"


def batch_last_success() -> str:
    """Time at which each batch job last published, in milliseconds for Grafana."""
    return "max by (command) (globalmart_batch_last_success_timestamp_seconds) * 1000"


def batch_seconds() -> str:
    """Duration of each batch job's last run."""
    return "max by (command) (globalmart_batch_duration_seconds)"


def batch_success() -> str:
    """1 if a job's last run was published, 0 if it failed."""
    return "min by (command) (globalmart_batch_last_run_success)"


def mart_rows() -> str:
    """Rows of each mart as last published."""
    return "max by (mart) (globalmart_batch_rows)"
