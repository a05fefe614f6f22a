"""Periods cut into time_ranges: every instant once, in the coarsest units."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from api.dates import DAY, FIRST, HOUR, LAST, MINUTE, WEEK, TimeRange, time_ranges

MOMENTS = st.datetimes(datetime(2025, 1, 1), datetime(2025, 1, 9), timezones=st.just(UTC)) | st.integers(0, 200).map(
    lambda hours: datetime(2025, 1, 1, tzinfo=UTC) + hours * HOUR
)


UNITS = st.sampled_from([(DAY, HOUR, MINUTE), (WEEK, DAY, HOUR, MINUTE), (DAY,)])


@given(MOMENTS, MOMENTS, UNITS)
def test_spans_cover_the_period_once_in_order(start: datetime, end: datetime, units: tuple[timedelta, ...]) -> None:
    pieces = list(time_ranges(start, end, units))
    edges = [(piece.start, piece.end) for piece in pieces]
    assert all(first < last for first, last in edges)
    if start < end:
        assert [start, *(last for _, last in edges)] == [*(first for first, _ in edges), end]
    else:
        assert pieces == []


@given(MOMENTS, MOMENTS)
def test_spans_are_whole_units_and_the_rows_less_than_two_minutes(start: datetime, end: datetime) -> None:
    rows = timedelta()
    for unit, first, last in time_ranges(start, end):
        if unit is None:
            rows += last - first
        else:
            assert (first - FIRST) % unit == (last - FIRST) % unit == timedelta()
    assert rows < 2 * MINUTE


def test_weeks_are_from_mondays() -> None:
    start, end = datetime(2025, 11, 28, tzinfo=UTC), datetime(2025, 12, 9, tzinfo=UTC)
    monday, next_monday = datetime(2025, 12, 1, tzinfo=UTC), datetime(2025, 12, 8, tzinfo=UTC)
    assert list(time_ranges(start, end, (WEEK, DAY))) == [
        TimeRange(DAY, start, monday),
        TimeRange(WEEK, monday, next_monday),
        TimeRange(DAY, next_monday, end),
    ]


def test_the_calendar_may_end_within_a_week() -> None:
    start = LAST - 3 * DAY
    assert list(time_ranges(start, LAST, (WEEK, DAY))) == [TimeRange(DAY, start, LAST)]
    assert list(time_ranges(FIRST, LAST, (WEEK, DAY)))[-1].end == LAST


def test_everything_is_one_span_of_days() -> None:
    assert list(time_ranges(FIRST, LAST)) == [TimeRange(DAY, FIRST, LAST)]


def test_a_ragged_period() -> None:
    start = datetime(2025, 1, 1, 22, 58, 30, tzinfo=UTC)
    end = datetime(2025, 1, 3, 1, 0, 0, 1, tzinfo=UTC)
    units = [unit for unit, _, _ in time_ranges(start, end)]
    assert units == [None, MINUTE, HOUR, DAY, HOUR, None]
