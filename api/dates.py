"""Date parameters: dates or date-times, no offset means UTC; the start counts, an end time does not.

An end date counts whole: it ends at the next midnight. Without a start or an end, all that is stored counts.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final, NamedTuple, Self

from app.domain.timestamps import TimestampError, as_utc, midnight, parse_timestamp

#: No event lies before or after: bounds of "everything", both at midnight.
FIRST: Final = datetime(1, 1, 1, tzinfo=UTC)
LAST: Final = datetime(9999, 12, 31, tzinfo=UTC)
#: In an address a + is decoded as a blank: what is left of an offset that was not encoded.
_LOST_PLUS: Final = re.compile(r".*:\d{2}(\.\d+)? \d{2}(:?\d{2})?", re.ASCII)
#: Weeks begin on Monday, like the first day of the calendar.
WEEK: Final = timedelta(days=7)
DAY: Final = timedelta(days=1)
HOUR: Final = timedelta(hours=1)
MINUTE: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Period:
    """`[start, end)`, aware UTC; the texts are how each side is shown, None where none was given."""

    start: datetime = FIRST
    end: datetime = LAST
    start_text: str | None = None
    end_text: str | None = None

    @classmethod
    def parse(cls, start: str | None, end: str | None) -> Self:
        """The period two parameters mean; raises TimestampError for what is no date."""
        return cls(
            FIRST if start is None else start_of(start),
            LAST if end is None else end_of(end),
            None if start is None else _shown(start),
            None if end is None else _shown(end),
        )


def start_of(text: str) -> datetime:
    """First instant of the period that starts with this parameter."""
    parsed = _parse(text)
    return parsed if isinstance(parsed, datetime) else midnight(parsed)


def end_of(text: str) -> datetime:
    """First instant after the period that ends with this parameter."""
    parsed = _parse(text)
    if isinstance(parsed, datetime):
        return parsed
    start = midnight(parsed)
    return start if start >= LAST else start + timedelta(days=1)


def _shown(text: str) -> str:
    parsed = _parse(text)
    if isinstance(parsed, datetime):
        return parsed.isoformat().replace("+00:00", "Z")
    return parsed.isoformat()


def _parse(text: str) -> date | datetime:
    """A date, or a date-time in UTC; raises TimestampError with a hint."""
    try:
        parsed = parse_timestamp(text)
    except TimestampError as error:
        if _LOST_PLUS.fullmatch(text):
            raise TimestampError(f"{error}; a + of an offset is written %2B in an address") from None
        raise
    return as_utc(parsed) if isinstance(parsed, datetime) else parsed


class TimeRange(NamedTuple):
    """`[start, end)` in whole units; `unit` None means single rows."""

    unit: timedelta | None
    start: datetime
    end: datetime


def time_ranges(
    start: datetime, end: datetime, units: Sequence[timedelta] = (DAY, HOUR, MINUTE)
) -> Iterator[TimeRange]:
    """Yields ranges that cover `[start, end)` without overlap, in the coarsest units that fit."""
    if start >= end:
        return
    if not units:
        yield TimeRange(None, start, end)
        return
    unit, *finer = units
    if end - start < unit:  # its edges might also lie outside the calendar
        yield from time_ranges(start, end, finer)
        return
    first, last = _ceil(start, unit), _floor(end, unit)
    if first >= last:
        yield from time_ranges(start, end, finer)
        return
    yield from time_ranges(start, first, finer)
    yield TimeRange(unit, first, last)
    yield from time_ranges(last, end, finer)


def _floor(at: datetime, unit: timedelta) -> datetime:
    return at - (at - FIRST) % unit


def _ceil(at: datetime, unit: timedelta) -> datetime:
    return at + (FIRST - at) % unit
