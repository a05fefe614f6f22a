"""Settings of the stream: windows, lateness, anomalies, and the retention of its data."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, SecretStr, model_validator

from app.domain.timestamps import EPOCH, parse_instant
from app.settings.group import Port, SettingsGroup, setting


class RetentionSettings(SettingsGroup):
    """What `globalmart maintain` deletes; transactions follow STREAM_RETENTION_DAYS."""

    GROUP: ClassVar[str] = "RETENTION_"
    raw_days: int = setting(7, "whole days views and carts stay in PostgreSQL, once the lake has them", unit="d", ge=1)
    metrics_days: int = setting(3, "whole days system metrics stay in PostgreSQL", unit="d", ge=1)
    delete_pages: int = setting(256, "pages of 8 KiB whose rows are deleted in one transaction", ge=1, le=100_000)
    topic_hours: str = setting(
        "", "topics kept for another time than KAFKA_RETENTION_HOURS, topic=hours, comma separated"
    )

    @model_validator(mode="after")
    def _hours_are_positive(self) -> Self:
        if any(hours <= 0 for hours in self.hours_by_topic.values()):
            raise ValueError("TOPIC_HOURS must be above 0")
        return self

    @property
    def hours_by_topic(self) -> dict[str, float]:
        """The exceptions, by topic."""
        pairs = [part.partition("=") for part in self.topic_hours.split(",") if part.strip()]
        try:
            return {name.strip(): float(hours) for name, _, hours in pairs}
        except ValueError:
            raise ValueError("TOPIC_HOURS must look like dead_letters=168,anomalies=24") from None


def _instant(value: Any) -> Any:
    """A date is its first moment; without an offset a time is UTC."""
    if not isinstance(value, str):
        return value
    return parse_instant(value)


Instant = Annotated[datetime, BeforeValidator(_instant)]


class StreamSettings(SettingsGroup):
    """Event-time rules; windows are [start, end) and aligned to the epoch."""

    GROUP: ClassVar[str] = "STREAM_"
    window_seconds: int = setting(60, "length of a sales window", unit="s", guide="WINDOW_DURATION", ge=1, le=86_400)
    window_step_seconds: int = setting(
        30, "distance between window starts", unit="s", guide="SLIDING_DURATION", ge=1, le=86_400
    )
    allowed_lateness_seconds: int = setting(
        600, "how far behind its partition's watermark an event may be before it is late", unit="s", ge=0
    )
    future_tolerance_seconds: int = setting(
        300, "how far ahead of its Kafka timestamp an event may be before it is refused", unit="s", ge=0
    )
    earliest_timestamp: Instant = setting(EPOCH, "date or time before which an event is refused as implausible")
    retention_days: int | None = setting(
        None, "age from which transactions are refused, and may be deleted; unset keeps them for ever", unit="d", ge=1
    )

    @model_validator(mode="after")
    def _window_is_whole_steps(self) -> Self:
        if self.window_seconds % self.window_step_seconds:
            raise ValueError("WINDOW_SECONDS must be a multiple of WINDOW_STEP_SECONDS")
        return self


class AnomalySettings(SettingsGroup):
    """Thresholds of the guide's rules as the first migration makes them; later the rules in PostgreSQL count."""

    GROUP: ClassVar[str] = "ANOMALY_"
    high_value: Decimal = setting(
        Decimal("5000.00"),
        "an order above this amount is an anomaly",
        unit="currency",
        guide="high_value_transaction",
        gt=0,
        max_digits=12,
        decimal_places=2,
    )
    unusual_quantity: int = setting(
        10, "an order of at least so many items is an anomaly", guide="unusual_quantity", ge=1, le=1_000_000
    )
    rapid_transactions: int = setting(
        5,
        "more than so many orders of a user within 60 s are an anomaly",
        guide="rapid_transactions",
        ge=1,
        le=1_000_000,
    )


class FraudSettings(SettingsGroup):
    """The webhook that gets new cases; rules are data, changed by `globalmart rules`."""

    GROUP: ClassVar[str] = "FRAUD_"
    webhook_url: str = setting("", "address that gets every new case by a POST; unset sends none")
    webhook_secret: SecretStr | None = setting(None, "secret that signs these requests (GlobalMart-Signature)")
    webhook_severity: Literal["low", "medium", "high", "critical"] = setting(
        "low", "lowest severity of cases that are sent"
    )
    webhook_timeout_seconds: float = setting(10.0, "how long an answer may take", unit="s", gt=0)
    webhook_retry_max_seconds: float = setting(60.0, "longest pause between attempts", unit="s", gt=0)

    @model_validator(mode="after")
    def _a_url_is_complete(self) -> Self:
        if self.webhook_url and not self.webhook_url.startswith(("http://", "https://")):
            raise ValueError("WEBHOOK_URL must begin with http:// or https://")
        if self.webhook_url and self.webhook_secret is None:
            raise ValueError("WEBHOOK_URL needs WEBHOOK_SECRET, by which its receiver knows the sender")
        return self


class WorkerSettings(SettingsGroup):
    """The stream worker process."""

    GROUP: ClassVar[str] = "WORKER_"
    sink_connections: int = setting(4, "PostgreSQL connections that write transactions side by side", ge=1, le=32)
    buffer_chunks: int = setting(6, "chunks buffered per topic before fetching pauses", ge=1)
    metrics_port: Port = setting(9101, "first port tried for /metrics, /health and /ready")
    watchdog_seconds: float = setting(60.0, "a worker with lag and without progress for so long exits", unit="s", gt=0)
    drain_seconds: float = setting(3.0, "how long a stop or a rebalance waits for running chunks", unit="s", ge=0)
    stop_seconds: float = setting(
        10.0, "how long the rest of a stop may take before the process ends hard", unit="s", gt=0
    )
    accept_lost_offsets: bool = setting(
        False, "continue when Kafka has deleted records that were never consumed, counting them as lost"
    )
