"""Date parameters: dates and date-times, UTC, the start counts, an end date counts whole."""

from datetime import UTC, datetime

import pytest

from api.dates import FIRST, LAST, Period, end_of, start_of


def _at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type]


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("2025-12-07", _at(2025, 12, 7), _at(2025, 12, 8)),
        ("2025-12-07T10:30", _at(2025, 12, 7, 10, 30), _at(2025, 12, 7, 10, 30)),
        ("2025-12-07T10:30:00Z", _at(2025, 12, 7, 10, 30), _at(2025, 12, 7, 10, 30)),
        ("2025-12-07 10:30:00", _at(2025, 12, 7, 10, 30), _at(2025, 12, 7, 10, 30)),
        ("2025-12-07T01:00+05:30", _at(2025, 12, 6, 19, 30), _at(2025, 12, 6, 19, 30)),
        ("2025-12-07T00:00:00", _at(2025, 12, 7), _at(2025, 12, 7)),
        ("2025-12-07T00:00:00.000001", _at(2025, 12, 7, 0, 0, 0, 1), _at(2025, 12, 7, 0, 0, 0, 1)),
        ("9999-12-31", LAST, LAST),
        ("0001-01-01", FIRST, _at(1, 1, 2)),
    ],
)
def test_what_a_parameter_means(text: str, start: datetime, end: datetime) -> None:
    assert (start_of(text), end_of(text)) == (start, end)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "today",
        "2025-13-01",
        "2025-02-29",
        "1733500000",
        "1762041600",
        "20251207",
        "20251207xx",
        "2025-W49-7",
        "2025-12-07x10:30",
        "20251207T103000Z",
        "2025-12-07T10",
        " 2025-12-07",
        "2025-12-07 ",
        "12025-12-07",
    ],
)
def test_what_is_no_date(text: str) -> None:
    with pytest.raises(ValueError, match="write a date such as 2025-12-01"):
        start_of(text)


@pytest.mark.parametrize("text", ["0001-01-01T00:00+01:00", "9999-12-31T23:00-05:00"])
def test_what_lies_outside_the_calendar(text: str) -> None:
    with pytest.raises(ValueError, match="outside the years 1 to 9999"):
        end_of(text)


def test_a_plus_that_became_a_blank_is_explained() -> None:
    with pytest.raises(ValueError, match="%2B"):
        start_of("2025-12-07T01:00:00 05:30")


def test_without_dates_everything_counts() -> None:
    assert Period.parse(None, None) == Period(FIRST, LAST, None, None)


def test_a_period_shows_what_was_asked_in_utc() -> None:
    period = Period.parse("2025-12-01", "2025-12-07T12:00:00+02:00")
    assert (period.start_text, period.end_text) == ("2025-12-01", "2025-12-07T10:00:00Z")
