"""Dates and times are read strictly: what is no ISO 8601 is refused with a hint."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from app.domain.timestamps import TimestampError, as_utc, parse_date, parse_timestamp


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2025-12-01", date(2025, 12, 1)),
        ("2025-12-01T09:15", datetime(2025, 12, 1, 9, 15)),
        ("2025-12-01 09:15:30", datetime(2025, 12, 1, 9, 15, 30)),
        ("2025-12-01T09:15:30.25Z", datetime(2025, 12, 1, 9, 15, 30, 250_000, UTC)),
        ("2025-12-01 09:15:30 Z", datetime(2025, 12, 1, 9, 15, 30, tzinfo=UTC)),
        ("2025-12-01T09:15:30+0200", datetime(2025, 12, 1, 9, 15, 30, tzinfo=timezone(timedelta(hours=2)))),
    ],
)
def test_iso_8601_is_read(text: str, expected: date) -> None:
    assert parse_timestamp(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1762041600",
        "1612101231530",
        "1762041600.5",
        "20251102",
        "20251102xx",
        "2025-W44-1",
        "2025-11-02x09:15:00",
        "2025-11-02T9:15",
        "2025-02-30",
        "2025-11-02T25:00:00",
        "0000-01-01",
        "02.11.2025",
        "11/02/2025",
        "2025-11-02T09:15:00 Europe/Berlin",
        "٢٠٢٥-11-02",
        " 2025-11-02",
    ],
)
def test_anything_else_is_refused_with_a_form(text: str) -> None:
    with pytest.raises(TimestampError, match="write a date such as 2025-12-01"):
        parse_timestamp(text)


def test_an_epoch_number_is_named() -> None:
    with pytest.raises(TimestampError, match="since 1970"):
        parse_timestamp("1612101231530")


def test_a_date_is_no_time() -> None:
    assert parse_date("2025-12-01") == date(2025, 12, 1)
    with pytest.raises(TimestampError, match="not a date"):
        parse_date("2025-12-01T00:00:00Z")


def test_without_an_offset_a_time_is_utc() -> None:
    assert as_utc(datetime(2025, 12, 1, 9)) == datetime(2025, 12, 1, 9, tzinfo=UTC)


def test_an_instant_outside_the_calendar_is_refused() -> None:
    with pytest.raises(TimestampError, match="years 1 to 9999"):
        as_utc(datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=5))))
