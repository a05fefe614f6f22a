"""Days, and the days before them."""

from datetime import UTC, date, datetime

import pytest

from api.dashboard.period import PRESETS, Before, Days, Hour

NOW = datetime(2026, 3, 10, 6, 30, 59, tzinfo=UTC)


@pytest.mark.parametrize("name", PRESETS)
def test_presets_end_today(name: str) -> None:
    days = Days.preset(name, NOW.date())
    assert days.number == PRESETS[name]
    assert days.last == (None if PRESETS[name] is None else NOW.date())


@pytest.mark.parametrize(
    ("first", "last", "start", "end"),
    [
        # whole days: the same number of whole days before
        (date(2026, 3, 5), date(2026, 3, 9), "2026-02-28", "2026-03-04"),
        (date(2026, 3, 9), date(2026, 3, 9), "2026-03-08", "2026-03-08"),
        # today is not over: the days before end at the same minute
        (date(2026, 3, 10), date(2026, 3, 10), "2026-03-09", "2026-03-09T06:30:00Z"),
        (date(2026, 3, 4), date(2026, 3, 10), "2026-02-25", "2026-03-03T06:30:00Z"),
    ],
)
def test_the_days_before(first: date, last: date, start: str, end: str) -> None:
    assert Days(first, last).before(NOW) == Before(start, end)


@pytest.mark.parametrize("days", [Days(), Days(date(1, 1, 3), date(1, 1, 5)), Days(date(1, 1, 1), date(9999, 12, 31))])
def test_nothing_to_compare_with(days: Days) -> None:
    assert days.before(NOW) is None


def test_days_in_queries_and_texts() -> None:
    days = Days(date(2026, 3, 5), date(2026, 3, 9))
    assert days.query == {"start_date": "2026-03-05", "end_date": "2026-03-09"}
    assert str(days) == "2026-03-05 to 2026-03-09"
    assert Days().query == {"start_date": None, "end_date": None}
    assert str(Days(days.first, days.first)) == "2026-03-05"
    assert str(Before("2026-03-09", "2026-03-09T06:30:00Z")) == "2026-03-09 to 2026-03-09 06:30"


def test_the_last_hour_is_sixty_whole_minutes() -> None:
    hour = Hour.last(NOW)
    assert hour.query == {"start_date": "2026-03-10T05:30:00Z", "end_date": "2026-03-10T06:30:00Z"}
    assert str(hour) == "2026-03-10 05:30 to 06:30"


def test_the_last_hour_is_compared_with_the_same_minutes_of_the_day_before() -> None:
    before = Hour.last(NOW).before(NOW)
    assert before == Before("2026-03-09T05:30:00Z", "2026-03-09T06:30:00Z")
    assert str(before) == "2026-03-09 05:30 to 2026-03-09 06:30"


@pytest.mark.parametrize(
    ("now", "first", "last"),
    [
        (NOW, date(2026, 3, 10), date(2026, 3, 10)),
        (NOW.replace(hour=0), date(2026, 3, 9), date(2026, 3, 10)),
        (NOW.replace(hour=0, minute=0), date(2026, 3, 9), date(2026, 3, 9)),
    ],
)
def test_what_there_is_only_by_day_is_that_of_the_days_the_hour_lies_in(now: datetime, first: date, last: date) -> None:
    assert Hour.last(now).whole_days == Days(first, last)


@pytest.mark.parametrize(
    ("days", "unit"),
    [
        (Days(date(2026, 3, 8), date(2026, 3, 10)), "hour"),
        (Days(date(2026, 3, 7), date(2026, 3, 10)), "day"),
        (Days(), "day"),
        (Hour.last(NOW), "minute"),
    ],
)
def test_a_bar_is_a_day_an_hour_or_a_minute(days: Days | Hour, unit: str) -> None:
    assert days.unit == unit


def test_the_usual_days_are_the_week_before() -> None:
    assert Days(date(2026, 3, 10), date(2026, 3, 10)).usual == Days(date(2026, 3, 3), date(2026, 3, 9))
    assert Days(date(1, 1, 7), date(1, 1, 7)).usual is None
    assert Days().usual is None
