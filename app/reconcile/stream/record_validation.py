"""The contract's rules for one record: accepted as a candidate event, or rejected with a reason.

Written from the contract alone, field by field; it shares no code with the worker.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from app.kafka.reader import Record
from app.reconcile.stream.json_values import (
    FIRST_US,
    LAST_US,
    SECOND_US,
    BadAmountError,
    BadTimestampError,
    Document,
    MalformedError,
    is_number,
    parse,
    parse_amount,
    parse_timestamp,
)
from app.topics import CART_EVENTS, PRODUCT_VIEWS, SYSTEM_METRICS, TRANSACTIONS

INVALID_FIELD: Final = "invalid_field"
MAX_QUANTITY: Final = 1_000_000
ACTIONS: Final = ("add", "remove", "checkout")
EMPTY_VALUE: Final = "empty_value"
MALFORMED_JSON: Final = "malformed_json"
INVALID_AMOUNT: Final = "invalid_amount"
NUL_CHARACTER: Final = "nul_character"
KEY_MISMATCH: Final = "key_mismatch"
IMPLAUSIBLE_TIMESTAMP: Final = "implausible_timestamp"
NO_KAFKA_TIMESTAMP: Final = "no_kafka_timestamp"
FUTURE_TIMESTAMP: Final = "future_timestamp"
BEYOND_RETENTION: Final = "beyond_retention"
REJECTED_BY_DATABASE: Final = "rejected_by_database"
SINK_STAGE: Final = "sink"
DAY_US: Final = 86_400 * SECOND_US
#: Kafka's value for a record without a timestamp.
UNSTAMPED: Final = -1


class RejectedError(ValueError):
    """The record is a dead letter; `reason` is that of the contract."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


Reader = Callable[[Any], Any]
ABSENT: Final = object()


@dataclass(frozen=True, slots=True)
class Field:
    """A column, the reader of its JSON value, and the default if it is absent."""

    name: str
    read: Reader
    default: Any = ABSENT

    def value(self, document: Mapping[str, Any]) -> Any:
        """Reads the value from a JSON object; null in an optional field counts as absent."""
        value = document.get(self.name, ABSENT)
        if value is None and self.default is not ABSENT:
            return self.default
        if value is not ABSENT:
            return self.read(value)
        if self.default is ABSENT:
            raise RejectedError(INVALID_FIELD)
        return self.default


def _text(shortest: int, longest: int) -> Reader:
    def read(value: Any) -> str:
        if not isinstance(value, str) or is_number(value):
            raise RejectedError(INVALID_FIELD)
        if not shortest <= len(value) <= longest:
            raise RejectedError(INVALID_FIELD)
        return value

    return read


def _quantity(value: Any) -> int:
    """Reads an integer without fraction: `1.0` is invalid, as msgspec decides for an `int`."""
    digits = value if is_number(value) and len(value) <= 7 else ""
    if not digits.isdigit() or not 1 <= int(digits) <= MAX_QUANTITY:
        raise RejectedError(INVALID_FIELD)
    return int(digits)


def _action(value: Any) -> str:
    if is_number(value) or value not in ACTIONS:
        raise RejectedError(INVALID_FIELD)
    return str(value)


def _measurement(value: Any) -> float:
    number = float(value) if is_number(value) else math.nan
    if not math.isfinite(number):
        raise RejectedError(INVALID_FIELD)
    return number


def _instant(value: Any) -> tuple[int, bool]:
    if not isinstance(value, str) or is_number(value):
        raise RejectedError(INVALID_FIELD)
    try:
        return parse_timestamp(value)
    except BadTimestampError:
        raise RejectedError(INVALID_FIELD) from None


def _unread(value: Any) -> Any:
    return value


_IDENTIFIER: Final = _text(1, 100)
_CATEGORY: Final = Field("category", _text(0, 100), None)
_COUNTRY: Final = Field("country", _text(0, 50), None)
_TIMESTAMP: Final = Field("timestamp", _instant)


def _identifiers(*names: str) -> tuple[Field, ...]:
    return tuple(Field(name, _IDENTIFIER) for name in names)


FIELDS: Final[Mapping[str, tuple[Field, ...]]] = {
    TRANSACTIONS: (
        *_identifiers("transaction_id", "user_id"),
        _TIMESTAMP,
        Field("total_amount", _unread),
        _CATEGORY,
        _COUNTRY,
        Field("payment_method", _text(0, 50), None),
        Field("quantity", _quantity, 1),
        Field("product_id", _IDENTIFIER, None),
        Field("session_id", _IDENTIFIER, None),
        *(Field(name, _text(1, 64), None) for name in ("card", "device", "ip", "email")),
    ),
    PRODUCT_VIEWS: (
        *_identifiers("event_id", "user_id", "session_id"),
        _TIMESTAMP,
        *_identifiers("product_id"),
        _CATEGORY,
        _COUNTRY,
    ),
    CART_EVENTS: (
        *_identifiers("event_id", "user_id", "session_id"),
        _TIMESTAMP,
        *_identifiers("product_id"),
        Field("action", _action),
        Field("quantity", _quantity),
        _CATEGORY,
        _COUNTRY,
    ),
    SYSTEM_METRICS: (*_identifiers("host", "component", "metric"), _TIMESTAMP, Field("value", _measurement)),
}
COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    topic: tuple(field.name for field in fields) for topic, fields in FIELDS.items()
}
IDENTITY: Final[Mapping[str, tuple[str, ...]]] = {
    TRANSACTIONS: ("transaction_id",),
    PRODUCT_VIEWS: ("event_id",),
    CART_EVENTS: ("event_id",),
    SYSTEM_METRICS: ("host", "component", "metric", "timestamp"),
}
KEY_COLUMN: Final[Mapping[str, int]] = {
    topic: columns.index("host" if topic == SYSTEM_METRICS else "user_id") for topic, columns in COLUMNS.items()
}


@dataclass(frozen=True, slots=True)
class Rules:
    """The settings used for validation; the retention of transactions applies to every topic.

    `earliest_us` is the earliest plausible time, in microseconds since 1970.
    """

    future_tolerance_seconds: int
    retention_days: int | None
    earliest_us: int = 0


@dataclass(frozen=True, slots=True)
class Event:
    """A candidate: `values` in the order of `COLUMNS[topic]`, time in microseconds since 1970.

    `values` are those to be stored, `sent` those of the record; None if only the stored row is known.
    """

    values: tuple[Any, ...]
    time_us: int
    rounded: bool
    assumed_utc: bool
    sent: tuple[Any, ...] | None = None


def validate(topic: str, record: Record, rules: Rules) -> Event:
    """Returns the candidate event of a record; raises RejectedError with the first reason that applies."""
    event = _decode(topic, record)
    if any(isinstance(value, str) and "\0" in value for value in event.values):
        raise RejectedError(NUL_CHARACTER)
    if record.key != event.values[KEY_COLUMN[topic]].encode("utf-8"):
        raise RejectedError(KEY_MISMATCH)
    _check_time(event.time_us, record.time_ms, rules)
    return event


def _decode(topic: str, record: Record) -> Event:
    if not record.value:
        raise RejectedError(EMPTY_VALUE)
    try:
        document = parse(record.value)
    except MalformedError:
        raise RejectedError(MALFORMED_JSON) from None
    if not isinstance(document, Document):
        raise RejectedError(INVALID_FIELD)
    for name, value in document.overridden:
        _check_overridden(topic, name, value)
    fields = {field.name: field.value(document) for field in FIELDS[topic]}
    fields["timestamp"], assumed_utc = fields["timestamp"]
    rounded = False
    if topic == TRANSACTIONS:
        fields["total_amount"], rounded = _amount(fields["total_amount"])
    values = tuple(fields.values())
    return Event(values, fields["timestamp"], rounded, assumed_utc, values)


def _check_overridden(topic: str, name: str, value: Any) -> None:
    """Checks the earlier values of a repeated field: each must be valid, the last one counts."""
    for field in FIELDS[topic]:
        if field.name == name:
            field.value({name: value})


def _amount(value: Any) -> tuple[Decimal, bool]:
    try:
        return parse_amount(value)
    except BadAmountError:
        raise RejectedError(INVALID_AMOUNT) from None


def _check_time(time_us: int, kafka_ms: int, rules: Rules) -> None:
    """Raises for a time out of range; the calendar's first and last microsecond mean infinity in PostgreSQL."""
    ahead_us = time_us - kafka_ms * 1000
    if time_us < rules.earliest_us or time_us <= FIRST_US:
        raise RejectedError(IMPLAUSIBLE_TIMESTAMP)
    if kafka_ms == UNSTAMPED:
        raise RejectedError(NO_KAFKA_TIMESTAMP)
    if ahead_us > rules.future_tolerance_seconds * SECOND_US:
        raise RejectedError(FUTURE_TIMESTAMP)
    if time_us >= LAST_US:
        raise RejectedError(IMPLAUSIBLE_TIMESTAMP)
    days = rules.retention_days
    if days is not None and -ahead_us > days * DAY_US:
        raise RejectedError(BEYOND_RETENTION)
