"""Splits a period into whole weeks, days, hours and minutes, and the remaining rows at its ends."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from api.dates import FIRST

#: Weeks begin on Monday, like the first day of the calendar.
WEEK: Final = timedelta(days=7)
DAY: Final = timedelta(days=1)
HOUR: Final = timedelta(hours=1)
MINUTE: Final = timedelta(minutes=1)


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
