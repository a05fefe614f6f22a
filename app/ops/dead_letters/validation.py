"""What the worker would say, and has said, of a record: the same decoders, asked beforehand or afterwards."""

from dataclasses import dataclass
from typing import Any, Final

from app.events.decoding import DECODERS, FIRST_US, TimeLimits
from app.events.rejections import DeadLetter
from app.settings import StreamSettings
from app.sink.tables import STORED_TOPICS, StoredTopic

_FOR_EVER: Final = TimeLimits(future_tolerance_us=2**62, earliest_us=FIRST_US)


@dataclass(slots=True)
class Attempt:
    """A record as the decoder looks at it; `timestamp` is the Kafka timestamp in milliseconds."""

    key: bytes | None
    value: bytes | None
    timestamp: int = 0
    offset: int = 0
    headers: tuple[tuple[str, bytes], ...] = ()


def time_limits(stream: StreamSettings) -> TimeLimits:
    """The limits the worker judges by, from its settings."""
    return TimeLimits.of(stream.future_tolerance_seconds, stream.retention_days, stream.earliest_timestamp)


def stored_topic(name: str) -> StoredTopic:
    """The table of a source topic."""
    return next(stored for stored in STORED_TOPICS if stored.name == name)


def refusal(topic: str, attempt: Attempt, limits: TimeLimits) -> DeadLetter | None:
    """The dead letter this record would become; None if it would be accepted."""
    letters = DECODERS[topic](limits).decode([attempt]).dead_letters
    return letters[0] if letters else None


def identity(topic: str, value: bytes | None, key: bytes | None) -> tuple[Any, ...] | None:
    """The primary key of the row this record becomes; None if it becomes none."""
    rows = DECODERS[topic](_FOR_EVER).decode([Attempt(key, value)]).rows
    names = stored_topic(topic).key
    return tuple(getattr(rows[0], name) for name in names) if rows else None
