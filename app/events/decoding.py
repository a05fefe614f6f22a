"""From raw Kafka records to rows, strict exactly where the contract is.

A decoder checks the key and makes the rows as its topic declares. Everything is
judged against the record's own Kafka timestamp, so that a replay gives the same verdict at any time.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Generic, Self

import msgspec

from app.domain.timestamps import EPOCH, MICROSECOND
from app.errors import text_of
from app.events.rejections import STAGE_DECODE, DeadLetter, Reason, RejectedRecord
from app.events.rows import DecodedRecords, RowT, SourceRecord
from app.events.topics.declaration import SourceTopic

_SECOND_US: Final = 1_000_000
_DAY_US: Final = 86_400 * _SECOND_US
#: The calendar's first and last microsecond, which asyncpg writes as infinities.
_MIN_US: Final = (datetime.min.replace(tzinfo=UTC) - EPOCH) // MICROSECOND
_MAX_US: Final = (datetime.max.replace(tzinfo=UTC) - EPOCH) // MICROSECOND
#: The earliest time that can be stored.
FIRST_US: Final = _MIN_US + 1
_NUL_ESCAPE: Final = b"\\u0000"
#: Kafka's value for a record without a timestamp.
NO_KAFKA_TIME: Final = -1
_NO_KAFKA_TIMESTAMP: Final = (
    "the record has no Kafka timestamp, which its time is compared with: let the producer send one, or set "
    "message.timestamp.type=LogAppendTime on the topic"
)


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """How far an event's time may be from its record's Kafka timestamp, in microseconds.

    `earliest_us` is the earliest accepted time, in microseconds since 1970.
    """

    future_tolerance_us: int
    retention_us: int | None = None
    earliest_us: int = 0

    @classmethod
    def of(cls, future_tolerance_seconds: int, retention_days: int | None, earliest: datetime) -> Self:
        """The limits as the settings state them; no retention accepts any age."""
        retention_us = None if retention_days is None else retention_days * _DAY_US
        earliest_us = max((earliest - EPOCH) // MICROSECOND, FIRST_US)
        return cls(future_tolerance_seconds * _SECOND_US, retention_us, earliest_us)


class Decoder(Generic[RowT]):
    """Decodes the records of one topic."""

    def __init__(self, topic: SourceTopic[RowT], limits: TimeLimits) -> None:
        self._decode = msgspec.json.Decoder(topic.event).decode
        self._key_field = topic.record_key
        self._to_row = topic.to_row
        self._limits = limits

    def decode(self, records: Iterable[SourceRecord]) -> DecodedRecords[RowT]:
        """Sort records, in offset order, into rows and dead letters."""
        decoded: DecodedRecords[RowT] = DecodedRecords()
        for record in records:
            try:
                self._take(record, decoded)
            except RejectedRecord as refusal:
                decoded.dead_letters.append(dead_letter(record, refusal, STAGE_DECODE))
        return decoded

    def _take(self, record: SourceRecord, decoded: DecodedRecords[RowT]) -> None:
        value = record.value
        if not value:
            raise RejectedRecord(Reason.EMPTY_VALUE, "the record has no value")
        event = self._event(value)
        timestamp: datetime = event.timestamp
        naive = timestamp.tzinfo is None
        if naive:
            timestamp = timestamp.replace(tzinfo=UTC)
        timestamp_us = (timestamp - EPOCH) // MICROSECOND
        row, rounded = self._to_row(event, timestamp, record.offset)
        if _NUL_ESCAPE in value:
            _refuse_nul(row)
        if record.key != getattr(event, self._key_field).encode():
            raise RejectedRecord(Reason.KEY_MISMATCH, f"the key is not the {self._key_field}")
        self._check_time(timestamp_us, record.timestamp)
        decoded.rows.append(row)
        decoded.timestamps_us.append(timestamp_us)
        if naive:
            decoded.assumed_utc_offsets.append(record.offset)
        if rounded:
            decoded.rounded_offsets.append(record.offset)

    def _event(self, value: bytes) -> Any:
        try:
            if not value.isascii():
                value.decode()
            return self._decode(value)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise _invalid_or_malformed(value, error) from None

    def _check_time(self, timestamp_us: int, kafka_ms: int) -> None:
        limits, kafka_us = self._limits, kafka_ms * 1000
        if timestamp_us < limits.earliest_us:
            earliest = EPOCH + timedelta(microseconds=limits.earliest_us)
            raise RejectedRecord(Reason.IMPLAUSIBLE_TIMESTAMP, f"timestamp lies before {earliest.isoformat()}")
        if kafka_ms == NO_KAFKA_TIME:
            raise RejectedRecord(Reason.NO_KAFKA_TIMESTAMP, _NO_KAFKA_TIMESTAMP)
        if timestamp_us > kafka_us + limits.future_tolerance_us:
            ahead_seconds = (timestamp_us - kafka_us) // 1_000_000
            raise RejectedRecord(Reason.FUTURE_TIMESTAMP, f"{ahead_seconds} s ahead of its record")
        if timestamp_us >= _MAX_US:
            raise RejectedRecord(Reason.IMPLAUSIBLE_TIMESTAMP, "timestamp lies at or after the end of the year 9999")
        if limits.retention_us is not None and timestamp_us < kafka_us - limits.retention_us:
            raise RejectedRecord(Reason.BEYOND_RETENTION, "older than the retention of transactions")


def dead_letter(record: SourceRecord, refusal: RejectedRecord, stage: str) -> DeadLetter:
    """The dead letter of a refused record."""
    return DeadLetter(
        record.offset,
        record.key,
        record.value,
        refusal.reason,
        refusal.detail.replace("\x00", "\\0"),
        stage,
        record.timestamp,
    )


def _refuse_nul(row: Iterable[object]) -> None:
    """PostgreSQL's text cannot hold NUL; only fields that are stored matter."""
    if any(isinstance(value, str) and "\x00" in value for value in row):
        raise RejectedRecord(Reason.NUL_CHARACTER, "a text field holds a NUL character")


def _invalid_or_malformed(value: bytes, error: Exception) -> RejectedRecord:
    """A typed decoder stops at the first fault; JSON that is broken elsewhere takes precedence."""
    reason = Reason.INVALID_FIELD if _is_json(value) else Reason.MALFORMED_JSON
    return RejectedRecord(reason, text_of(error))


def _is_json(value: bytes) -> bool:
    """Whether the standard library reads it, without NaN, infinities and lone surrogates in any of its pairs."""
    try:
        document = json.loads(value.decode(), object_pairs_hook=list, parse_int=str, parse_constant=_refuse_constant)
        json.dumps(document, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return False
    return True


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
