"""Settings of monitoring: where Prometheus and its Alertmanager are, and when they raise an alert."""

from typing import ClassVar

from app.settings.group import SettingsGroup, setting


class MonitoringSettings(SettingsGroup):
    """What Prometheus scrapes, and what Grafana reads."""

    GROUP: ClassVar[str] = "MONITORING_"
    workers: str = setting("localhost:9101", "metrics of the workers, host:port, comma separated", min_length=1)
    api: str = setting("localhost:8000", "metrics of the API, host:port, comma separated")
    scrape_seconds: int = setting(
        15, "time between two scrapes, and between two evaluations of the alerts", unit="s", ge=1
    )
    prometheus_url: str = setting("http://localhost:9090", "Prometheus as Grafana reaches it")
    alertmanager: str = setting("localhost:9093", "Alertmanager as Prometheus and Grafana reach it, host:port")
    dashboards: str = setting("grafana/dashboards", "folder of the dashboards as Grafana reaches it")

    @property
    def worker_targets(self) -> tuple[str, ...]:
        """The workers without blanks."""
        return _parts(self.workers)

    @property
    def api_targets(self) -> tuple[str, ...]:
        """The API processes without blanks."""
        return _parts(self.api)


class AlertSettings(SettingsGroup):
    """Thresholds of the alert rules, and whom Alertmanager tells."""

    GROUP: ClassVar[str] = "ALERT_"
    hold_minutes: int = setting(5, "how long a condition must hold before its alert is raised", unit="min", ge=1)
    lag_records: int = setting(60_000, "records of a topic that wait in Kafka", unit="records", ge=1)
    stalled_minutes: int = setting(3, "records wait and none is committed for so long", unit="min", ge=1)
    sink_failures: int = setting(5, "failed commits of a worker within 5 min", unit="attempts", ge=1)
    dead_letter_share: float = setting(0.02, "share of a topic's records that are refused", gt=0, le=1)
    latency_seconds: float = setting(0.25, "99th percentile from sent to committed", unit="s", gt=0)
    anomaly_share: float = setting(0.05, "share of orders with an anomaly of one type", gt=0, le=1)
    revenue_share: float = setting(
        0.5, "revenue of 10 min as a share of that of the hour before, below which it is a drop", gt=0, le=1
    )
    batch_age_hours: int = setting(26, "age of the published nightly run", unit="h", ge=1)
    disk_free_share: float = setting(0.1, "share of the disk that is free", gt=0, le=1)
    runbooks: str = setting("grafana/runbooks", "address under which people find the runbooks, without a last slash")
    email_to: str = setting("globalmart@localhost", "who gets alerts by e-mail, comma separated")
    email_from: str = setting("globalmart@localhost", "sender of these e-mails")
    smtp: str = setting("localhost:25", "mail server, host:port; with a user it must speak TLS")
    smtp_user: str | None = setting(None, "user name at the mail server")
    smtp_password_file: str | None = setting(
        None, "file with the password at the mail server, as Alertmanager reaches it"
    )
    webhook_url: str = setting("http://localhost:9095/alerts", "who gets alerts as JSON by HTTP POST")


def _parts(text: str) -> tuple[str, ...]:
    return tuple(part for part in (piece.strip() for piece in text.split(",")) if part)
