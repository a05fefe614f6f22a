"""Alert rules for Prometheus, generated from the settings. Each has a runbook with its name."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from app.settings import AlertSettings

CRITICAL: Final = "critical"
WARNING: Final = "warning"
_FIVE: Final = "[5m]"


@dataclass(frozen=True, slots=True)
class Alert:
    """A rule: fires when the expression has been true for `minutes`."""

    name: str
    expr: str
    minutes: int
    severity: str
    summary: str
    description: str

    def rule(self, runbooks: str) -> dict[str, Any]:
        """Returns the rule in Prometheus's form."""
        return {
            "alert": self.name,
            "expr": self.expr,
            "for": f"{self.minutes}m",
            "labels": {"severity": self.severity},
            "annotations": {
                "summary": self.summary,
                "description": self.description,
                "runbook_url": f"{runbooks}/{self.name}.md",
            },
        }


def rule_groups(settings: AlertSettings) -> dict[str, Any]:
    """Returns the content of the rule file."""
    groups = {
        "globalmart-stream": (*_lag(settings), *_failures(settings)),
        "globalmart-shop": _shop(settings),
        "globalmart-batch": _batch(settings),
        "globalmart-processes": _processes(settings),
    }
    return {
        "groups": [
            {"name": name, "rules": [alert.rule(settings.runbooks) for alert in alerts]}
            for name, alerts in groups.items()
        ]
    }


def _lag(settings: AlertSettings) -> Iterator[Alert]:
    hold = settings.hold_minutes
    yield Alert(
        "StreamLag",
        f"sum by (topic) (globalmart_partition_lag_records) > {settings.lag_records}",
        hold,
        WARNING,
        "The stream is lagging",
        "{{ $value | humanize }} records of {{ $labels.topic }} wait in Kafka.",
    )
    yield Alert(
        "StreamStalled",
        "sum by (instance, topic) (globalmart_partition_lag_records) > 0 unless on (instance, topic) "
        "sum by (instance, topic) (rate(globalmart_events_total[2m])) > 0",
        settings.stalled_minutes,
        CRITICAL,
        "Records wait and none are committed",
        "{{ $labels.instance }} has {{ $value | humanize }} records of {{ $labels.topic }} and commits none.",
    )
    yield Alert(
        "Latency",
        f"histogram_quantile(0.99, sum by (le) (rate(globalmart_end_to_end_seconds_bucket{_FIVE}))) "
        f"> {settings.latency_seconds}",
        hold,
        WARNING,
        "Records take longer than allowed",
        "99 of 100 records are committed within {{ $value | humanizeDuration }} of being sent.",
    )


def _failures(settings: AlertSettings) -> Iterator[Alert]:
    yield Alert(
        "SinkErrors",
        f"sum by (instance, error) (increase(globalmart_sink_failures_total{_FIVE})) > {settings.sink_failures}",
        settings.hold_minutes,
        CRITICAL,
        "Chunks cannot be committed",
        "{{ $labels.instance }} failed {{ $value | humanize }} times in 5 minutes with "
        "{{ $labels.error }}. Nothing is lost: it retries.",
    )
    yield Alert(
        "DeadLetters",
        f'sum by (topic) (rate(globalmart_events_total{{outcome="dead_letter"}}{_FIVE})) '
        f"/ sum by (topic) (rate(globalmart_events_total{_FIVE})) > {settings.dead_letter_share}",
        settings.hold_minutes,
        WARNING,
        "Many records are rejected",
        "{{ $value | humanizePercentage }} of {{ $labels.topic }} become dead letters.",
    )


def _shop(settings: AlertSettings) -> Iterator[Alert]:
    stored = 'globalmart_events_total{topic="transactions", outcome="stored"}'
    revenue = "rate(globalmart_revenue_by_country_total"
    yield Alert(
        "AnomalyBurst",
        f"sum by (type) (rate(globalmart_anomalies_total{_FIVE})) / ignoring (type) group_left () "
        f"sum (rate({stored}{_FIVE})) > {settings.anomaly_share}",
        settings.hold_minutes,
        WARNING,
        "Unusually many anomalies",
        "{{ $value | humanizePercentage }} of the orders are {{ $labels.type }}.",
    )
    yield Alert(
        "WebhookFailing",
        f"sum by (instance) (increase(globalmart_webhook_failures_total{_FIVE})) > 0",
        settings.hold_minutes,
        WARNING,
        "New cases are not sent",
        "The webhook of {{ $labels.instance }} failed {{ $value | humanize }} times in 5 minutes. Nothing is lost: "
        "it tries again.",
    )
    yield Alert(
        "RevenueDrop",
        f"sum ({revenue}[10m])) < {settings.revenue_share} * sum ({revenue}[1h] offset 10m))",
        settings.hold_minutes,
        CRITICAL,
        "Revenue has dropped",
        "Revenue is {{ $value | humanize }} per second, far less than in the preceding hour.",
    )


def _batch(settings: AlertSettings) -> Iterator[Alert]:
    last_success = "globalmart_batch_last_success_timestamp_seconds"
    hours = settings.batch_age_hours
    yield Alert(
        "BatchStale",
        f'time() - max by (command) ({last_success}{{command="nightly"}}) > {hours * 3600}',
        settings.hold_minutes,
        CRITICAL,
        "The warehouse is out of date",
        "The last published nightly run ended {{ $value | humanizeDuration }} ago.",
    )
    yield Alert(
        "BatchMissing",
        f'absent({last_success}{{command="nightly"}})',
        hours * 60,
        WARNING,
        "No nightly run is known",
        f"Prometheus has had no published nightly run for {hours} hours.",
    )
    yield Alert(
        "BatchFailed",
        "min by (command) (globalmart_batch_last_run_success) == 0",
        settings.hold_minutes,
        WARNING,
        "A batch run failed",
        "The last run of {{ $labels.command }} failed; the previous run stays published.",
    )


def _processes(settings: AlertSettings) -> Iterator[Alert]:
    yield Alert(
        "TargetDown",
        'up{job=~"globalmart-.+"} == 0 or absent(up{job="globalmart-worker"})',
        settings.hold_minutes,
        CRITICAL,
        "A process does not answer",
        "{{ $labels.job }} {{ $labels.instance }} does not answer Prometheus.",
    )
    yield Alert(
        "DiskFull",
        "min by (job, instance) (globalmart_disk_free_bytes / globalmart_disk_size_bytes) "
        f"< {settings.disk_free_share}",
        settings.hold_minutes,
        CRITICAL,
        "The disk is nearly full",
        "Only {{ $value | humanizePercentage }} of the disk of {{ $labels.instance }} is free.",
    )
