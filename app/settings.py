"""Settings: small frozen groups read from the environment or a `.env` file, prefix `GLOBALMART_`.

Each group is handed to the code that needs it and to nothing else. A field's description, unit and the
first guide's name for it are kept here, and the table in the README is generated from them.
"""

import difflib
import os
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Self

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.errors import SettingsError

ENV_PREFIX: Final = "GLOBALMART_"
ENV_FILE_VARIABLE: Final = "GLOBALMART_ENV_FILE"

Port = Annotated[int, Field(ge=1, le=65535)]


def _setting(
    default: Any, description: str, *, unit: str = "", guide: str = "", **constraints: Any
) -> Any:
    extra: dict[str, Any] = {"unit": unit, "guide": guide}
    return Field(default, description=description, json_schema_extra=extra, **constraints)


class SettingsGroup(BaseSettings):
    """A frozen group; `GROUP` is the part of the variable names between the prefix and the field."""

    GROUP: ClassVar[str] = ""
    model_config = SettingsConfigDict(frozen=True, extra="forbid", env_ignore_empty=True)

    @classmethod
    def variable(cls, field: str) -> str:
        """Name of the environment variable of a field."""
        return f"{ENV_PREFIX}{cls.GROUP}{field}".upper()

    @classmethod
    def read(cls, values: Mapping[str, str]) -> Self:
        """Build the group from a mapping of variables; raises SettingsError naming each bad one."""
        given = {
            field: values[cls.variable(field)]
            for field in cls.model_fields
            if values.get(cls.variable(field), "") != ""
        }
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            raise SettingsError("\n".join(cls._explain(error))) from None

    @classmethod
    def _explain(cls, error: ValidationError) -> Iterator[str]:
        for problem in error.errors(include_url=False, include_input=False):
            field = str(problem["loc"][0]) if problem["loc"] else ""
            if field in cls.model_fields:
                hint = cls.model_fields[field].description or ""
                yield f"{cls.variable(field)}: {problem['msg']}. It is: {hint}."
            else:
                yield f"{cls.variable('*')}: {problem['msg']}"


class GeneralSettings(SettingsGroup):
    """What concerns every process."""

    bind: str = _setting("127.0.0.1", "address every server of this project listens on")
    var_dir: Path = _setting(Path("var"), "folder for data, logs and reports")


class KafkaSettings(SettingsGroup):
    """How to reach Kafka and how its topics are made."""

    GROUP: ClassVar[str] = "KAFKA_"
    bootstrap: str = _setting(
        "localhost:9092", "brokers, host:port, comma separated", guide="KAFKA_BOOTSTRAP_SERVERS"
    )
    partitions: int = _setting(6, "partitions of each topic, fixed at creation", ge=1, le=1000)
    replication: int = _setting(1, "replicas of each topic", ge=1, le=10)
    group: str = _setting("globalmart", "consumer group the workers share", min_length=1)
    session_timeout_seconds: float = _setting(
        6.0, "silence after which a worker loses its partitions", unit="s", ge=6.0, le=300
    )
    heartbeat_seconds: float = _setting(
        1.5, "time between heartbeats, below a third of the session timeout", unit="s", gt=0
    )
    max_poll_records: int = _setting(
        4000, "records of all partitions handed over at once, the largest chunk", ge=1, le=100_000
    )
    retention_hours: float = _setting(48.0, "how long topics keep records", unit="h", gt=0)

    @model_validator(mode="after")
    def _heartbeat_fits(self) -> Self:
        if self.heartbeat_seconds * 3 > self.session_timeout_seconds:
            raise ValueError("HEARTBEAT_SECONDS must be at most a third of SESSION_TIMEOUT_SECONDS")
        return self


class PostgresSettings(SettingsGroup):
    """How to reach PostgreSQL: the owner migrates, the worker writes, the reader reads."""

    GROUP: ClassVar[str] = "POSTGRES_"
    host: str = _setting("localhost", "host name or address", guide="POSTGRES_URL")
    port: Port = _setting(5432, "TCP port", guide="POSTGRES_URL")
    database: str = _setting("globalmart", "database name", guide="POSTGRES_URL", min_length=1)
    owner_user: str = _setting(
        "globalmart", "role that owns the schema", guide="POSTGRES_PROPERTIES"
    )
    owner_password: SecretStr | None = _setting(
        None, "password of the owner", guide="POSTGRES_PROPERTIES"
    )
    worker_user: str = _setting("globalmart_worker", "role the stream worker writes as")
    worker_password: SecretStr | None = _setting(None, "password of the worker's role")
    reader_user: str = _setting("globalmart_reader", "role that the API and Grafana read as")
    reader_password: SecretStr | None = _setting(None, "password of the reader's role")
    connect_timeout_seconds: float = _setting(5.0, "limit for one connection attempt", unit="s")
    command_timeout_seconds: float = _setting(60.0, "limit for one statement", unit="s", gt=0)
    lock_timeout_seconds: float = _setting(10.0, "limit for waiting on a lock", unit="s", gt=0)
    retry_max_seconds: float = _setting(
        5.0, "longest pause between attempts while the database is down", unit="s", gt=0
    )


class StreamSettings(SettingsGroup):
    """Event-time rules; windows are [start, end) and aligned to the epoch."""

    GROUP: ClassVar[str] = "STREAM_"
    window_seconds: int = _setting(
        60, "length of a sales window", unit="s", guide="WINDOW_DURATION", ge=1, le=86_400
    )
    window_step_seconds: int = _setting(
        30, "distance between window starts", unit="s", guide="SLIDING_DURATION", ge=1, le=86_400
    )
    allowed_lateness_seconds: int = _setting(
        600, "how far behind its partition's watermark an event may be before it is late", unit="s"
    )
    future_tolerance_seconds: int = _setting(
        300, "how far ahead of its Kafka timestamp an event may be before it is refused", unit="s"
    )
    retention_days: int | None = _setting(
        None, "age at which transactions are deleted and refused; unset keeps them for ever",
        unit="d", ge=1,
    )  # fmt: skip

    @model_validator(mode="after")
    def _window_is_whole_steps(self) -> Self:
        if self.window_seconds % self.window_step_seconds:
            raise ValueError("WINDOW_SECONDS must be a multiple of WINDOW_STEP_SECONDS")
        return self


class AnomalySettings(SettingsGroup):
    """Thresholds of the anomaly rules; every anomaly stores the one it was judged by."""

    GROUP: ClassVar[str] = "ANOMALY_"
    high_value: Decimal = _setting(
        Decimal("5000.00"), "an order above this amount is an anomaly", unit="currency",
        guide="high_value_transaction", gt=0, max_digits=12, decimal_places=2,
    )  # fmt: skip
    unusual_quantity: int = _setting(
        10, "an order of at least so many items is an anomaly", guide="unusual_quantity", ge=1
    )
    rapid_transactions: int = _setting(
        5, "more than so many orders of a user within 60 s are an anomaly",
        guide="rapid_transactions", ge=1,
    )  # fmt: skip


class WorkerSettings(SettingsGroup):
    """The stream worker process."""

    GROUP: ClassVar[str] = "WORKER_"
    sink_connections: int = _setting(
        2, "PostgreSQL connections that write transactions side by side", ge=1, le=32
    )
    buffer_chunks: int = _setting(6, "chunks buffered per topic before fetching pauses", ge=1)
    metrics_port: Port = _setting(9101, "first port tried for Prometheus metrics")
    watchdog_seconds: float = _setting(
        60.0, "a worker with lag and without progress for so long exits", unit="s", gt=0
    )
    drain_seconds: float = _setting(
        3.0, "how long a stop or a rebalance waits for running chunks", unit="s", ge=0
    )
    accept_lost_offsets: bool = _setting(
        False,
        "go on when Kafka has deleted records that were never consumed, counting them as lost",
    )


class GeneratorSettings(SettingsGroup):
    """The traffic generator."""

    GROUP: ClassVar[str] = "GENERATOR_"
    users: int = _setting(100_000, "simulated users", guide="NUM_USERS", ge=1)
    products: int = _setting(250_000, "products", guide="NUM_PRODUCTS", ge=1)
    categories: int = _setting(100, "categories", guide="NUM_CATEGORIES", ge=1, le=10_000)
    countries: str = _setting(
        "USA,UK,Canada,Germany,France", "countries, comma separated", guide="COUNTRIES"
    )
    transaction_rate: float = _setting(
        200.0, "transactions", unit="1/s", guide="TRANSACTION_RATE", ge=0
    )
    product_view_rate: float = _setting(
        300.0, "product views", unit="1/s", guide="PRODUCT_VIEW_RATE", ge=0
    )
    cart_event_rate: float = _setting(
        100.0, "cart events", unit="1/s", guide="CART_EVENT_RATE", ge=0
    )
    system_metric_rate: float = _setting(10.0, "system metrics", unit="1/s", ge=0)
    orders_per_day: float = _setting(2000.0, "orders of a back-filled day", unit="1/d", gt=0)
    seed: int | None = _setting(None, "seed of a repeatable run; unset makes every run unique")
    world_seed: int = _setting(
        1, "seed of products, prices and users, the same for history and live traffic"
    )
    think_seconds: float = _setting(
        8.0, "mean pause between two steps of a session", unit="s", gt=0, le=600
    )
    cart_conversion: float = _setting(0.5, "share of carts that are checked out", ge=0, le=1)
    day_curve_depth: float = _setting(
        0.8, "how far the night falls below the day in history; 0 is flat", ge=0, le=1
    )
    high_value_share: float = _setting(0.002, "share of orders above the limit", ge=0, le=1)
    unusual_quantity_share: float = _setting(0.002, "share of bulk orders", ge=0, le=1)
    rapid_share: float = _setting(0.0005, "share of orders that begin a burst", ge=0, le=0.05)
    late_share: float = _setting(0.005, "share of events beyond the allowed lateness", ge=0, le=1)
    out_of_order_share: float = _setting(0.02, "share of events slightly out of order", ge=0, le=1)
    duplicate_share: float = _setting(0.005, "share of events sent twice", ge=0, le=1)
    conflicting_share: float = _setting(
        0.0005, "share of events sent again under the same id with other content", ge=0, le=1
    )
    malformed_share: float = _setting(0.002, "share of events that are rubbish", ge=0, le=1)
    forgiven_share: float = _setting(
        0.01, "share of events in an odd form that is accepted all the same", ge=0, le=1
    )
    tick_seconds: float = _setting(
        0.015, "time between two sends of live traffic", unit="s", ge=0.001, le=1
    )
    catch_up_factor: float = _setting(
        2.0, "greatest multiple of the set rates while catching up after a stall", gt=1, le=100
    )
    catch_up_max_seconds: float = _setting(
        30.0, "longest stall that is caught up; the rest of it stays a gap", unit="s", ge=0
    )
    linger_live_ms: float = _setting(
        5.0, "how long live records wait for company in a batch", unit="ms", ge=0, le=1000
    )
    linger_bulk_ms: float = _setting(
        50.0, "the same at full speed, where batches are compressed", unit="ms", ge=0, le=1000
    )
    flush_timeout_seconds: float = _setting(
        30.0, "how long a stop waits for records under way", unit="s", gt=0
    )

    @model_validator(mode="after")
    def _shares_fit(self) -> Self:
        shares = (self.out_of_order_share, self.duplicate_share, self.conflicting_share)
        if sum(shares) + self.malformed_share + self.forgiven_share > 1:
            raise ValueError(
                "the shares out of order, duplicate, conflicting, malformed and forgiven "
                "exclude each other and must not exceed 1 together"
            )
        if self.high_value_share + self.unusual_quantity_share > 0.5:
            raise ValueError("HIGH_VALUE_SHARE and UNUSUAL_QUANTITY_SHARE must not exceed 0.5")
        return self

    @model_validator(mode="after")
    def _countries_are_names(self) -> Self:
        if not self.country_names or any(len(name) > 50 for name in self.country_names):
            raise ValueError("COUNTRIES must be one or more names of at most 50 characters")
        return self

    @property
    def country_names(self) -> tuple[str, ...]:
        """The countries without blanks and repetitions."""
        names = (name.strip() for name in self.countries.split(","))
        return tuple(dict.fromkeys(name for name in names if name))


class DemoSettings(SettingsGroup):
    """What `globalmart demo` begins with."""

    GROUP: ClassVar[str] = "DEMO_"
    history_days: int = _setting(
        90, "days of history sent through the stream before the live traffic", unit="d", ge=0
    )
    history_orders_per_day: float = _setting(
        500.0, "orders of each of these days; views and carts in proportion", unit="1/d", gt=0
    )


class Settings:
    """All groups of one process."""

    GROUPS: Final[Mapping[str, type[SettingsGroup]]] = {
        "general": GeneralSettings,
        "kafka": KafkaSettings,
        "postgres": PostgresSettings,
        "stream": StreamSettings,
        "anomaly": AnomalySettings,
        "worker": WorkerSettings,
        "generator": GeneratorSettings,
        "demo": DemoSettings,
    }

    def __init__(self, values: Mapping[str, str]) -> None:
        """Build every group from variables; raises SettingsError with all problems found."""
        problems = list(_unknown_variables(values, self.GROUPS.values()))
        groups: dict[str, Any] = {}
        for name, group in self.GROUPS.items():
            try:
                groups[name] = group.read(values)
            except SettingsError as error:
                problems.append(str(error))
        if problems:
            raise SettingsError("\n".join(problems))
        self.general: GeneralSettings = groups["general"]
        self.kafka: KafkaSettings = groups["kafka"]
        self.postgres: PostgresSettings = groups["postgres"]
        self.stream: StreamSettings = groups["stream"]
        self.anomaly: AnomalySettings = groups["anomaly"]
        self.worker: WorkerSettings = groups["worker"]
        self.generator: GeneratorSettings = groups["generator"]
        self.demo: DemoSettings = groups["demo"]


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the environment over the `.env` file (another one by GLOBALMART_ENV_FILE, none if empty)."""
    environ = os.environ if environ is None else environ
    env_file = environ.get(ENV_FILE_VARIABLE, ".env")
    from_file = dotenv_values(env_file, encoding="utf-8") if env_file else {}
    values = {name: value for name, value in from_file.items() if value is not None}
    values.update(environ)
    return Settings({n: v for n, v in values.items() if n.startswith(ENV_PREFIX)})


def documented_settings() -> Iterator[tuple[str, FieldInfo]]:
    """Every variable with its field, in the order of the README's table."""
    for group in Settings.GROUPS.values():
        for name, field in group.model_fields.items():
            yield group.variable(name), field


def _unknown_variables(
    values: Mapping[str, str], groups: Iterator[type[SettingsGroup]] | Any
) -> Iterator[str]:
    known = {group.variable(field) for group in groups for field in group.model_fields}
    for variable in sorted(set(values) - known - {ENV_FILE_VARIABLE}):
        close = difflib.get_close_matches(variable, known, n=1)
        advice = f"did you mean {close[0]}?" if close else "see `globalmart settings`"
        yield f"{variable}: no such setting; {advice}"
