"""RFC 3339 exactly as msgspec reads it, which is the reader the event schemas name."""

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.reconcile.stream.json_values import BadTimestampError, parse_timestamp, show_timestamp, to_us


def by_msgspec(text: str) -> tuple[int, bool] | None:
    try:
        moment = msgspec.json.decode(msgspec.json.encode(text), type=datetime)
    except msgspec.ValidationError:
        return None
    return to_us(moment if moment.tzinfo else moment.replace(tzinfo=UTC)), not moment.tzinfo


def by_recount(text: str) -> tuple[int, bool] | None:
    try:
        return parse_timestamp(text)
    except BadTimestampError:
        return None


@pytest.mark.parametrize(
    "text",
    [
        f"{day}{rest}"
        for day in ("2025-01-01", "2024-02-29", "2025-02-29", "1969-12-31", "0001-01-01")
        for rest in (
            "T00:00:00Z",
            "t00:00:00z",
            " 23:59:59",
            "T00:00:00+01:00",
            "T00:00:00-0130",
            "T00:00:00+01",
            "T00:00:00+24:00",
            "T00:00:00+00:60",
            "T00:00:60Z",
            "T24:00:00Z",
            "T00:00Z",
            "T00:00:00.Z",
            "T00:00:00.1",
            "T00:00:00.1234564999999999Z",
            "T00:00:00.1234565Z",
            "T23:59:59.9999995-00:00",
            "T00:00:00,5Z",
            "_00:00:00Z",
            "T00:00:00 Z",
            "T00:00:00Z\n",
            "",
        )
    ]
    + ["", "now", "1735689600", "2025-1-1T00:00:00Z", "9999-12-31T23:59:59.9999999Z"]
    + ["9999-12-31T23:59:59-01:00"]
    + ["\u0662025-01-01T00:00:00Z", "0000-01-01T00:00:00Z", "2025-13-01T00:00:00Z"],
)
def test_agrees_with_msgspec(text: str) -> None:
    assert by_recount(text) == by_msgspec(text)


@given(
    st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31)),
    st.sampled_from("Tt "),
    st.from_regex(r"(\.[0-9]{1,12})?", fullmatch=True),
    st.from_regex(r"([Zz]|[+-][0-2][0-9]:?[0-6][0-9])?", fullmatch=True),
)
def test_agrees_with_msgspec_on_any_text(moment: datetime, separator: str, fraction: str, offset: str) -> None:
    text = moment.replace(microsecond=0).isoformat(separator)[:19] + fraction + offset
    assert by_recount(text) == by_msgspec(text)


def test_examples() -> None:
    assert parse_timestamp("1970-01-01T00:00:00Z") == (0, False)
    assert parse_timestamp("1970-01-01 00:00:01.5") == (1_500_000, True)
    assert parse_timestamp("1970-01-01T00:00:00.0000005+00:01") == (-60_000_000 + 1, False)
    assert show_timestamp(1_500_000) == "1970-01-01T00:00:01.500000+00:00"
