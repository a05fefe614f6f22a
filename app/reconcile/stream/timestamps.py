"""Timestamps as microseconds since 1970-01-01T00:00:00Z, parsed from RFC 3339 text."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)
SECOND_US: Final = 1_000_000

FIRST_US: Final = (datetime.min.replace(tzinfo=UTC) - EPOCH) // MICROSECOND
LAST_US: Final = (datetime.max.replace(tzinfo=UTC) - EPOCH) // MICROSECOND

_RFC_3339: Final = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt ]([0-9]{2}):([0-9]{2}):([0-9]{2})"
    r"(?:\.([0-9]+))?(?:([Zz])|([+-])([0-9]{2}):?([0-9]{2}))?"
)


class BadTimestampError(ValueError):
    """The text is not a date and time."""


def parse_timestamp(text: str) -> tuple[int, bool]:
    """Returns microseconds since the epoch, and whether the offset was missing and UTC assumed.

    As in msgspec 0.22, the seventh digit of a fraction rounds half up and further digits are ignored; leap seconds,
    24:00, offsets of a day or more, and offsets without minutes are invalid. With its offset a time may be outside the
    years 1 to 9999.
    """
    match = _RFC_3339.fullmatch(text)
    if match is None:
        raise BadTimestampError(text)
    year, month, day, hour, minute, second, fraction, zulu, sign, off_hour, off_minute = match.groups()
    try:
        date = datetime(int(year), int(month), int(day), tzinfo=UTC)
        whole = date.replace(hour=int(hour), minute=int(minute), second=int(second))
    except ValueError:
        raise BadTimestampError(text) from None
    micros = (whole - EPOCH) // MICROSECOND + _fraction_us(fraction or "")
    if micros > LAST_US:
        raise BadTimestampError(text)
    micros -= _offset_us(sign, off_hour, off_minute) if sign else 0
    return micros, not (zulu or sign)


def _fraction_us(digits: str) -> int:
    padded = digits.ljust(7, "0")
    return int(padded[:6]) + (padded[6] >= "5")


def _offset_us(sign: str, hours: str, minutes: str) -> int:
    if int(hours) > 23 or int(minutes) > 59:
        raise BadTimestampError(f"{sign}{hours}:{minutes}")
    seconds = int(hours) * 3600 + int(minutes) * 60
    return (-seconds if sign == "-" else seconds) * SECOND_US


def stored_kafka_us(time_ms: int) -> int:
    """Converts a Kafka timestamp to that of a dead letter: from the second second of year 1 to the last of 9999."""
    return min(max(time_ms * 1000, FIRST_US + SECOND_US), LAST_US - LAST_US % SECOND_US)


def to_us(moment: datetime) -> int:
    """Converts an aware datetime to microseconds since the epoch."""
    return (moment - EPOCH) // MICROSECOND


def show_timestamp(micros: int) -> str:
    """Formats as ISO 8601 in UTC if a datetime can represent it, else as a number."""
    if FIRST_US <= micros <= LAST_US:
        return (EPOCH + micros * MICROSECOND).isoformat()
    return f"{micros} us"
