"""Figures in words, and what is downloaded: digit by digit."""

import csv
import io
from decimal import Decimal
from typing import Any

import pytest

from api.dashboard import charts, parts, texts


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        (texts.money(Decimal("90071992547409931.07")), "$90,071,992,547,409,931.07"),
        (texts.money(Decimal("0.00")), "$0.00"),
        (texts.money(None), "–"),
        (texts.number(1234567), "1,234,567"),
        (texts.number(Decimal("12.30")), "12.30"),
        (texts.percent(Decimal("0.1149")), "11.5 %"),
        (texts.percent(None), "–"),
        (texts.growth(Decimal("-0.0312")), "-3.1 %"),
        (texts.growth(Decimal("12.5")), "+1,250.0 %"),
        (texts.change(Decimal("150.00"), Decimal("100.00")), "+50.0 %"),
        (texts.change(Decimal("0.00"), Decimal("100.00")), "-100.0 %"),
        (texts.change(5, 0), None),
        (texts.change(None, Decimal("1.00")), None),
        (texts.milliseconds(Decimal("0.1875")), "188 ms"),
        (texts.seconds(Decimal("250.2")), "250.2 s"),
        (texts.size(0), "0 B"),
        (texts.size(999), "999 B"),
        (texts.size(201_326_592), "201.3 MB"),
        (texts.size(10**16), "10,000.0 TB"),
        (texts.name(None), "unknown"),
        (texts.shown_time("2025-12-07T04:31:59.874+02:00"), "2025-12-07 02:31:59"),
        (texts.days_ago(0), "the same day"),
        (texts.days_ago(1), "1 day before"),
        (texts.sentence("a $5 * b"), r"A \$5 \* b"),
    ],
)
def test_figures(shown: str | None, text: str | None) -> None:
    assert shown == text


@pytest.mark.parametrize(
    ("name", "shown"),
    [(None, "unknown"), ("<b>&", "&lt;b&gt;&amp;"), ("x" * 29, "x" * 27 + "…"), ("", "unknown")],
)
def test_names_in_charts(name: str | None, shown: str) -> None:
    assert charts.label(name) == shown


def test_a_download_is_exact_and_no_spreadsheet_runs_it() -> None:
    rows: list[dict[str, Any]] = [
        {"key": "=1+1", "revenue": Decimal("90071992547409931.07"), "count": 3},
        {"key": 'a "b", c', "revenue": Decimal("1E+2"), "count": -1},
        {"key": None, "revenue": None, "count": 0},
    ]
    columns = [parts.Column(name, name.upper()) for name in ("key", "revenue", "count")]
    read = list(csv.reader(io.StringIO(parts.to_csv(rows, columns).decode())))
    assert read == [
        ["key", "revenue", "count"],
        ["'=1+1", "90071992547409931.07", "3"],
        ['a "b", c', "100", "-1"],
        ["", "", "0"],
    ]
