"""What the worker would say, and has said, of a record: the same decoders, asked beforehand or afterwards."""

from dataclasses import dataclass
from typing import Any, Final

from app.events.decoding import (
    Decoder,
    TimeLimits,
    cart_event_decoder,
    product_view_decoder,
    system_metric_decoder,
    transaction_decoder,
)
from app.events.refusals import DeadLetter
from app.settings import StreamSettings
from app.sink.tables import STORED_TOPICS, StoredTopic
from app.topics import CART_EVENTS, PRODUCT_VIEWS, SYSTEM_METRICS, TRANSACTIONS

_DECODERS: Final[dict[str, Any]] = {
    TRANSACTIONS: transaction_decoder,
    PRODUCT_VIEWS: product_view_decoder,
    CART_EVENTS: cart_event_decoder,
    SYSTEM_METRICS: system_metric_decoder,
}
_DAY_US: Final = 86_400_000_000
_FOR_EVER: Final = TimeLimits(future_tolerance_us=2**62)


@dataclass(slots=True)
class Attempt:
    """A record as the decoder looks at it; `timestamp` is the Kafka timestamp in milliseconds."""

    key: bytes | None
    value: bytes | None
    timestamp: int = 0
    offset: int = 0
    headers: tuple[tuple[str, bytes], ...] = ()


def decoder_of(topic: str, limits: TimeLimits) -> Decoder[Any]:
    """The worker's decoder of a source topic."""
    decoder: Decoder[Any] = _DECODERS[topic](limits)
    return decoder


def time_limits(stream: StreamSettings) -> TimeLimits:
    """The limits the worker judges by, from its settings."""
    days = stream.retention_days
    return TimeLimits(
        stream.future_tolerance_seconds * 1_000_000, None if days is None else days * _DAY_US
    )


def stored_topic(name: str) -> StoredTopic:
    """The table of a source topic."""
    return next(stored for stored in STORED_TOPICS if stored.name == name)


def refusal(topic: str, attempt: Attempt, limits: TimeLimits) -> DeadLetter | None:
    """The dead letter this record would become; None if it would be accepted."""
    letters = decoder_of(topic, limits).decode([attempt]).dead_letters
    return letters[0] if letters else None


def identity(topic: str, value: bytes | None, key: bytes | None) -> tuple[Any, ...] | None:
    """The primary key of the row this record becomes; None if it becomes none."""
    rows = decoder_of(topic, _FOR_EVER).decode([Attempt(key, value)]).rows
    names = stored_topic(topic).key
    return tuple(getattr(rows[0], name) for name in names) if rows else None
