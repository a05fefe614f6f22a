"""The contract's rules for one record: accepted as a candidate event, or rejected with a reason."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from app.kafka.reader import Record
from app.reconcile.stream.amounts import BadAmountError, parse_amount
from app.reconcile.stream.fields import FIELDS, INVALID_FIELD, KEY_COLUMN, RejectedError
from app.reconcile.stream.strict_json import Document, MalformedError, parse
from app.reconcile.stream.timestamps import FIRST_US, LAST_US, SECOND_US
from app.topics import TRANSACTIONS

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
    """A candidate: `values` in the order of `COLUMNS[topic]`, time in microseconds since 1970."""

    values: tuple[Any, ...]
    time_us: int
    rounded: bool
    assumed_utc: bool


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
    return Event(tuple(fields.values()), fields["timestamp"], rounded, assumed_utc)


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
