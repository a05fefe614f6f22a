"""Reads the dates and times that people, files and addresses write.

It accepts ISO 8601 in its extended form and nothing else. `datetime.fromisoformat` also accepts compact forms, any
character between date and time, and week dates: there an epoch number such as 1762041600 is a time in
the year 1762.
"""

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_DATE_TIME: Final = re.compile(
    r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}([.,]\d{1,9})?)?( ?[Zz]|[+-]\d{2}(:?\d{2})?)?", re.ASCII
)
_EPOCH_NUMBER: Final = re.compile(r"-?\d{9,}(\.\d+)?", re.ASCII)

_FORM: Final = "write a date such as 2025-12-01 or a time such as 2025-12-01T12:00:00Z"


class TimestampError(ValueError):
    """The text is not a date or a date-time; the message says how to write one."""


def parse_date(text: str) -> date:
    """Parses `YYYY-MM-DD`; raises TimestampError for everything else."""
    parsed = parse_timestamp(text)
    if isinstance(parsed, datetime):
        raise TimestampError(f"{text!r} is a time, not a date: write a date such as 2025-12-01")
    return parsed


def parse_timestamp(text: str) -> date | datetime:
    """Parses a `date`, or a `datetime` that is naive if the text has no offset.

    Raises TimestampError for anything but `YYYY-MM-DD` and `YYYY-MM-DDTHH:MM[:SS[.ffffff]]` with an optional
    offset (a space is allowed in place of the T), and for days and hours that do not exist.
    """
    try:
        if _DATE.fullmatch(text):
            return date.fromisoformat(text)
        if _DATE_TIME.fullmatch(text):
            return datetime.fromisoformat(text.replace(" Z", "Z").replace(" z", "Z"))
    except ValueError as error:
        raise TimestampError(f"{text!r} does not exist in the calendar ({error}); {_FORM}") from None
    if _EPOCH_NUMBER.fullmatch(text):
        raise TimestampError(f"{text!r} looks like seconds or milliseconds since 1970; {_FORM}")
    raise TimestampError(f"{text!r} is no date or time; {_FORM}")


def as_utc(moment: datetime) -> datetime:
    """Converts to UTC; a time without an offset is UTC already.

    Raises TimestampError if it lies outside the calendar in UTC.
    """
    try:
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError:
        raise TimestampError(f"{moment.isoformat()} lies outside the years 1 to 9999") from None


def midnight(day: date) -> datetime:
    """Returns the start of a UTC day."""
    return datetime.combine(day, time(), UTC)


def parse_instant(text: str) -> datetime:
    """Parses an aware UTC time: a day is its first moment, a time without an offset is UTC; raises TimestampError."""
    parsed = parse_timestamp(text)
    return as_utc(parsed) if isinstance(parsed, datetime) else midnight(parsed)
