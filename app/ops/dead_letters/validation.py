"""Validates records with the worker's decoders, before or after they are sent."""

from dataclasses import dataclass
from typing import Any, Final

from app.events.decoding import FIRST_US, Decoder, TimeLimits
from app.events.rejections import DeadLetter
from app.settings import StreamSettings
from app.topics import SOURCES

_NO_LIMITS: Final = TimeLimits(future_tolerance_us=2**62, earliest_us=FIRST_US)


@dataclass(slots=True)
class Attempt:
    """A record in the decoder's form; `timestamp` is the Kafka timestamp in milliseconds."""

    key: bytes | None
    value: bytes | None
    timestamp: int = 0
    offset: int = 0
    headers: tuple[tuple[str, bytes], ...] = ()


def time_limits(stream: StreamSettings) -> TimeLimits:
    """Returns the worker's limits, from its settings."""
    return TimeLimits.of(stream.future_tolerance_seconds, stream.retention_days, stream.earliest_timestamp)


def refusal(topic: str, attempt: Attempt, limits: TimeLimits) -> DeadLetter | None:
    """Returns the dead letter that this record would become; None if it would be accepted."""
    letters = Decoder(SOURCES[topic], limits).decode([attempt]).dead_letters
    return letters[0] if letters else None


def identity(topic: str, value: bytes | None, key: bytes | None) -> tuple[Any, ...] | None:
    """Returns the primary key of the row that this record becomes; None if it is rejected."""
    rows = Decoder(SOURCES[topic], _NO_LIMITS).decode([Attempt(key, value)]).rows
    return tuple(getattr(rows[0], name) for name in SOURCES[topic].identity) if rows else None
