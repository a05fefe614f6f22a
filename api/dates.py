"""Date parameters: dates or date-times, no offset means UTC; the start counts, an end time does not.

An end date counts whole: it ends at the next midnight. Without a start or an end, all that is stored counts.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, Self

from app.domain.timestamps import TimestampError, as_utc, parse_timestamp

#: No event lies before or after: bounds of "everything", both at midnight.
FIRST: Final = datetime(1, 1, 1, tzinfo=UTC)
LAST: Final = datetime(9999, 12, 31, tzinfo=UTC)

#: In an address a + stands for a blank: what is left of an offset that was not encoded.
_LOST_PLUS: Final = re.compile(r".*:\d{2}(\.\d+)? \d{2}(:?\d{2})?", re.ASCII)


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
    return parsed if isinstance(parsed, datetime) else _midnight(parsed)


def end_of(text: str) -> datetime:
    """First instant after the period that ends with this parameter."""
    parsed = _parse(text)
    if isinstance(parsed, datetime):
        return parsed
    midnight = _midnight(parsed)
    return midnight if midnight >= LAST else midnight + timedelta(days=1)


def _shown(text: str) -> str:
    parsed = _parse(text)
    if isinstance(parsed, datetime):
        return parsed.isoformat().replace("+00:00", "Z")
    return parsed.isoformat()


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _parse(text: str) -> date | datetime:
    """A date, or a date-time in UTC; raises TimestampError with a hint."""
    try:
        parsed = parse_timestamp(text)
    except TimestampError as error:
        if _LOST_PLUS.fullmatch(text):
            raise TimestampError(f"{error}; a + of an offset is written %2B in an address") from None
        raise
    return as_utc(parsed) if isinstance(parsed, datetime) else parsed
