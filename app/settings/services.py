"""Settings of the API, the dashboard, the demo, the batch and the monitoring."""

import re
from collections.abc import Iterator
from typing import ClassVar, Final, Literal, NamedTuple, Self, get_args

from pydantic import SecretStr, model_validator

from app.settings.group import Port, SettingsGroup, setting

#: What a key may do: `read` everything, `analyst` also cases, labels and lists, `admin` also rules and thresholds.
Role = Literal["read", "analyst", "admin"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)
#: A bare hash, or `name:role:hash`.
_KEY: Final = re.compile(
    r"(?:(?P<name>[\w.@-]{1,50}):(?P<role>read|analyst|admin):)?(?P<digest>[0-9a-f]{64})", re.ASCII
)
_NAMED_DIGITS: Final = 8


class ApiKey(NamedTuple):
    """A key that the API accepts: `digest` is the SHA-256 of the key, the name stands at whatever it changes."""

    name: str
    role: Role
    digest: str


class ApiSettings(SettingsGroup):
    """The REST API process; it listens on GLOBALMART_BIND."""

    GROUP: ClassVar[str] = "API_"
    port: Port = setting(8000, "TCP port of the REST API")
    pool_connections: int = setting(8, "PostgreSQL connections the API keeps open at most", ge=1, le=100)
    query_seconds: float = setting(5.0, "limit for one query of the API", unit="s", gt=0)
    retry_after_seconds: int = setting(2, "when a client should ask again while a store is down", unit="s", ge=1)
    page_limit_default: int = setting(100, "rows of a page unless asked otherwise", ge=1)
    page_limit_max: int = setting(1000, "largest page that may be asked for", ge=1, le=100_000)
    body_max_bytes: int = setting(262_144, "largest request body; a thousand values of a list fit", unit="B", ge=0)
    key_hashes: SecretStr | None = setting(
        None,
        "API keys that are accepted, name:role:hash with the roles read, analyst and admin, comma separated; "
        "a hash alone may read; unset asks for no key",
    )
    key_rate_per_second: float = setting(50.0, "requests a key may make in the long run", unit="1/s", gt=0)
    key_burst: int = setting(200, "requests a key may make at once after a pause", ge=1)
    cors_origins: str = setting("", "origins whose pages may call the API, comma separated, or *; none if empty")
    history_cache_size: int = setting(500, "sums over days before today that are kept in memory", ge=1, le=100_000)
    history_cache_seconds: float = setting(
        30.0, "age at which such a sum is computed again; one twice as old is not served", unit="s", gt=0
    )
    run_cache_size: int = setting(
        256, "answers kept in memory for the published run of the warehouse", ge=1, le=100_000
    )
    run_poll_seconds: float = setting(1.0, "time between checks for a newly published run", unit="s", gt=0)
    run_prepare_seconds: float = setting(
        120.0, "limit for one sum over a whole mart, made once per published run", unit="s", gt=0
    )
    stream_heartbeat_seconds: float = setting(
        15.0, "pause after which a quiet event stream sends a comment", unit="s", gt=0
    )
    stream_poll_seconds: float = setting(
        2.0, "longest wait of an event stream for a notification before it queries by itself", unit="s", gt=0
    )
    stream_ticket_seconds: int = setting(
        60, "how long a ticket opens an event stream in the place of a key", unit="s", ge=1, le=3600
    )
    stream_clients_max: int = setting(100, "event streams open at once", ge=1)

    @model_validator(mode="after")
    def _limits_fit(self) -> Self:
        if self.page_limit_default > self.page_limit_max:
            raise ValueError("PAGE_LIMIT_DEFAULT must be at most PAGE_LIMIT_MAX")
        digests = [key.digest for key in self.keys]
        if len(digests) != len(set(digests)):
            raise ValueError("KEY_HASHES has one hash twice, under other names or roles: remove one")
        return self

    @property
    def keys(self) -> tuple[ApiKey, ...]:
        """Keys that are accepted, each once; none when no key is asked for."""
        return keys_of(self.key_hashes.get_secret_value() if self.key_hashes else "")

    @property
    def origins(self) -> tuple[str, ...]:
        """Origins for CORS without blanks."""
        return _parts(self.cors_origins)


def keys_of(text: str) -> tuple[ApiKey, ...]:
    """Reads the setting's comma separated entries, each once; raises ValueError, which shows no entry."""
    return tuple(dict.fromkeys(_read_keys(text)))


def _read_keys(text: str) -> Iterator[ApiKey]:
    for number, part in enumerate(_parts(text), start=1):
        found = _KEY.fullmatch(part)
        if found is None:
            raise ValueError(
                f"KEY_HASHES: entry {number} must be a hash or name:role:hash as `globalmart api-key new` prints them, "
                f"the role one of {', '.join(ROLES)}"
            )
        digest = found["digest"]
        role = next((role for role in ROLES if role == found["role"]), ROLES[0])
        yield ApiKey(found["name"] or digest[:_NAMED_DIGITS], role, digest)


def _parts(text: str) -> tuple[str, ...]:
    return tuple(part for part in (piece.strip() for piece in text.split(",")) if part)


class DashboardSettings(SettingsGroup):
    """The dashboard process, a client of the REST API; it listens on GLOBALMART_BIND."""

    GROUP: ClassVar[str] = "DASHBOARD_"
    port: Port = setting(8501, "TCP port of the dashboard")
    api_url: str = setting(
        "http://127.0.0.1:8000", "where the REST API is, http:// or https://", pattern=r"^https?://[^\s/]+[^\s]*$"
    )
    api_key: SecretStr | None = setting(None, "key for the REST API where it asks for one; never sent to a browser")
    api_timeout_seconds: float = setting(10.0, "how long the API may take for one answer", unit="s", gt=0)
    refresh_seconds: float = setting(2.0, "pause between two readings of live figures", unit="s", ge=0.5, le=3600)


class DemoSettings(SettingsGroup):
    """What `globalmart demo` begins with."""

    GROUP: ClassVar[str] = "DEMO_"
    history_days: int = setting(90, "days of history sent through the stream before the live traffic", unit="d", ge=0)
    orders_per_day: float = setting(
        1440.0,
        "orders of a day, in the history and live alike, by default one a minute; views and carts in proportion",
        unit="1/d",
        gt=0,
    )
    products: int = setting(2000, "products of its shop, in place of the generator's", ge=1)


class BatchSettings(SettingsGroup):
    """The nightly batch: extract, marts, checks, publish."""

    GROUP: ClassVar[str] = "BATCH_"
    lake: str | None = setting(
        None, "folder of the Parquet lake, or an hdfs:// or s3:// address; unset: lake in VAR_DIR"
    )
    master: str | None = setting(None, "Spark master; unset: what spark-submit says, else local with CORES")
    cores: int = setting(2, "threads of a local Spark; on a MASTER the most cores of all executors", ge=1, le=256)
    memory: str = setting(
        "2g", "heap of a local Spark, or of each executor of a MASTER, as Java writes it", pattern=r"^\d+[kmg]$"
    )
    reader: Literal["adbc", "jdbc"] = setting(
        "adbc", "who reads PostgreSQL: adbc this process, jdbc Spark's executors side by side"
    )
    readers: int = setting(4, "sessions of the jdbc reader side by side", ge=1, le=256)
    writer: Literal["arrow", "connector"] = setting(
        "arrow", "what writes MongoDB: arrow Python workers, connector the MongoDB Spark connector"
    )
    jdbc_package: str = setting("org.postgresql:postgresql:42.7.8", "Maven coordinates fetched for the jdbc reader")
    connector_package: str = setting(
        "org.mongodb.spark:mongo-spark-connector_2.13:10.5.0", "Maven coordinates fetched for the connector writer"
    )
    shuffle_partitions: int = setting(16, "partitions of a Spark shuffle, small ones are joined", ge=1, le=10_000)
    small_rows: int = setting(
        2_000_000,
        "events up to which a night is small: made with few plans and quickly compiled code",
        unit="rows",
        ge=0,
    )
    arrow_batch_rows: int = setting(5000, "rows that travel at once from Spark to a Python writer", unit="rows", ge=1)
    extract_rows: int = setting(
        1_000_000, "rows read from PostgreSQL at once, beyond which a day is read alone", unit="rows", ge=1
    )
    mongo_writers: int = setting(2, "Spark tasks that write to MongoDB side by side", ge=1, le=256)
    driver_write_rows: int = setting(
        200_000, "rows up to which the arrow writer writes a mart in the batch's own process", unit="rows", ge=0
    )
    session_gap_minutes: int = setting(
        30, "inactivity that ends a session of orders without a session id", unit="min", ge=1
    )
    max_staleness_days: int = setting(
        1, "age of the newest order, in days before as_of, that stops a publish", unit="d", ge=0
    )
    max_shrink: float = setting(0.1, "share of its rows a mart may lose against the published run", ge=0, le=1)


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
    """Thresholds of the alert rules, and the receiver of Alertmanager's notifications."""

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
