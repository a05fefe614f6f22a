"""Settings of every process and of the stores: Kafka, PostgreSQL, MongoDB."""

from pathlib import Path
from typing import Any, ClassVar, Literal, Self
from urllib.parse import quote_plus

from pydantic import SecretStr, model_validator

from app.settings.group import Port, SettingsGroup, setting


class GeneralSettings(SettingsGroup):
    """What concerns every process."""

    bind: str = setting("127.0.0.1", "address every server of this project listens on")
    var_dir: Path = setting(Path("var"), "folder for data, logs and reports")

    @property
    def batch_metrics_path(self) -> Path:
        """The file in which the nightly batch leaves its metrics, and the API finds them."""
        return self.var_dir / "batch.prom"


class KafkaSettings(SettingsGroup):
    """How to reach Kafka and how its topics are made."""

    GROUP: ClassVar[str] = "KAFKA_"
    bootstrap: str = setting("localhost:9092", "brokers, host:port, comma separated", guide="KAFKA_BOOTSTRAP_SERVERS")
    partitions: int = setting(6, "partitions of each topic, fixed at creation", ge=1, le=1000)
    replication: int = setting(1, "replicas of each topic", ge=1, le=10)
    group: str = setting("globalmart", "consumer group the workers share", min_length=1)
    session_timeout_seconds: float = setting(
        6.0, "silence after which a worker loses its partitions", unit="s", ge=6.0, le=300
    )
    heartbeat_seconds: float = setting(
        1.5, "time between heartbeats, below a third of the session timeout", unit="s", gt=0
    )
    max_poll_records: int = setting(
        4000, "records of all partitions handed over at once, the largest chunk", ge=1, le=100_000
    )
    retention_hours: float = setting(48.0, "how long topics keep records", unit="h", gt=0)
    security: Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"] = setting(
        "plaintext", "plaintext, ssl, sasl_plaintext or sasl_ssl"
    )
    ca_file: Path | None = setting(
        None, "PEM file of the authorities that sign the brokers' certificates; unset: the system's"
    )
    certificate_file: Path | None = setting(None, "PEM file of our own certificate, where brokers ask for one")
    key_file: Path | None = setting(None, "PEM file of that certificate's key")
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = setting(
        "SCRAM-SHA-512", "PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512"
    )
    user: str | None = setting(None, "name to log in to the brokers with, where security is sasl")
    password: SecretStr | None = setting(None, "password of that name")

    @property
    def encrypted(self) -> bool:
        """Whether connections are TLS."""
        return self.security in ("ssl", "sasl_ssl")

    @property
    def authenticated(self) -> bool:
        """Whether brokers want a name and a password."""
        return self.security.startswith("sasl_")

    @model_validator(mode="after")
    def _security_is_whole(self) -> Self:
        if self.authenticated and not (self.user and self.password):
            raise ValueError(f"USER and PASSWORD must be set where SECURITY is {self.security}")
        files = (self.ca_file, self.certificate_file, self.key_file)
        if any(files) and not self.encrypted:
            raise ValueError("CA_FILE, CERTIFICATE_FILE and KEY_FILE need SECURITY ssl or sasl_ssl")
        if self.key_file and not self.certificate_file:
            raise ValueError("KEY_FILE needs CERTIFICATE_FILE")
        return self

    @model_validator(mode="after")
    def _heartbeat_fits(self) -> Self:
        if self.heartbeat_seconds * 3 > self.session_timeout_seconds:
            raise ValueError("HEARTBEAT_SECONDS must be at most a third of SESSION_TIMEOUT_SECONDS")
        return self


class PostgresSettings(SettingsGroup):
    """How to reach PostgreSQL: the owner migrates, the worker writes, the reader reads, the desk changes rules."""

    GROUP: ClassVar[str] = "POSTGRES_"
    host: str = setting("localhost", "host name or address", guide="POSTGRES_URL")
    port: Port = setting(5432, "TCP port", guide="POSTGRES_URL")
    database: str = setting("globalmart", "database name", guide="POSTGRES_URL", min_length=1)
    owner_user: str = setting("globalmart", "role that owns the schema", guide="POSTGRES_PROPERTIES")
    owner_password: SecretStr | None = setting(None, "password of the owner", guide="POSTGRES_PROPERTIES")
    worker_user: str = setting("globalmart_worker", "role the stream worker writes as")
    worker_password: SecretStr | None = setting(None, "password of the worker's role")
    reader_user: str = setting("globalmart_reader", "role that the API and Grafana read as")
    reader_password: SecretStr | None = setting(None, "password of the reader's role")
    desk_user: str = setting("globalmart_desk", "role that changes rules, lists, cases and labels")
    desk_password: SecretStr | None = setting(
        None, "password of the desk's role; unset: the API only reads rules and cases"
    )
    sslmode: Literal["disable", "prefer", "require", "verify-ca", "verify-full"] = setting(
        "prefer", "disable, prefer, require, verify-ca or verify-full, as libpq means them"
    )
    ca_file: Path | None = setting(
        None, "PEM file of the authority that signs the server's certificate, for verify-ca and verify-full"
    )
    certificate_file: Path | None = setting(None, "PEM file of our own certificate, where the server asks for one")
    key_file: Path | None = setting(None, "PEM file of that certificate's key")
    connect_timeout_seconds: float = setting(5.0, "limit for one connection attempt", unit="s")
    command_timeout_seconds: float = setting(60.0, "limit for one statement", unit="s", gt=0)
    lock_timeout_seconds: float = setting(10.0, "limit for waiting on a lock", unit="s", gt=0)
    transaction_timeout_seconds: float = setting(
        60.0, "limit for a worker's transaction, from PostgreSQL 17 on", unit="s", gt=0
    )
    idle_transaction_seconds: float = setting(
        5.0,
        "a worker that stands still in a transaction for so long loses its session and locks; "
        "below Kafka's session timeout, so that who takes over need not wait",
        unit="s",
        ge=1,
    )
    retry_max_seconds: float = setting(5.0, "longest pause between attempts while the database is down", unit="s", gt=0)

    @property
    def verified(self) -> bool:
        """Whether the server's certificate is checked."""
        return self.sslmode.startswith("verify-")

    @property
    def requires_tls(self) -> bool:
        """Whether nothing is said in clear text."""
        return self.sslmode not in ("disable", "prefer")

    @model_validator(mode="after")
    def _encryption_is_whole(self) -> Self:
        if self.verified != bool(self.ca_file):
            raise ValueError("CA_FILE and SSLMODE verify-ca or verify-full belong together")
        if self.certificate_file and not self.requires_tls:
            raise ValueError("CERTIFICATE_FILE needs SSLMODE require, verify-ca or verify-full")
        if self.key_file and not self.certificate_file:
            raise ValueError("KEY_FILE needs CERTIFICATE_FILE")
        return self


class MongoSettings(SettingsGroup):
    """How to reach MongoDB, the warehouse: the batch writes it, the API reads it.

    `url` is whole: a user and a password that are set on their own are in it, quoted.
    """

    GROUP: ClassVar[str] = "MONGO_"
    url: SecretStr | None = setting(
        None,
        "connection string, mongodb://user:password@host:port/?authSource=admin; TLS by its own options: "
        "tls=true&tlsCAFile=…",
        guide="MONGODB_URI",
    )
    user: str | None = setting(None, "name to log in with, where the connection string has none", min_length=1)
    password: SecretStr | None = setting(
        None, "password of that name, as it is: `@`, `:`, `/` and `%` need no quoting here"
    )
    database: str = setting("globalmart_dw", "database of the warehouse", guide="MONGODB_DB", min_length=1)
    connect_timeout_seconds: float = setting(5.0, "limit for finding a server that answers", unit="s", gt=0)

    @model_validator(mode="before")
    @classmethod
    def _url_is_whole(cls, given: Any) -> Any:
        user, password = (given.get(name) for name in ("user", "password"))
        if not user and not password:
            return given
        if not (user and password and given.get("url")):
            raise ValueError("USER and PASSWORD belong together, and to a URL without them")
        url = _plain(given["url"])
        scheme, separator, place = url.partition("://")
        if not separator or "@" in place.split("/")[0]:
            raise ValueError(
                "USER and PASSWORD are set, so URL must be mongodb://host:port/… without a name and a password"
            )
        login = f"{quote_plus(user)}:{quote_plus(_plain(password))}"
        return {**given, "url": f"{scheme}://{login}@{place}"}


def _plain(value: str | SecretStr) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else value
