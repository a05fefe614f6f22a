"""Figures in words, and what is downloaded: digit by digit."""

import csv
import io
from decimal import Decimal
from typing import Any

import pytest

from api.dashboard import charts, components, formatting


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        (formatting.money(Decimal("90071992547409931.07")), "$90,071,992,547,409,931.07"),
        (formatting.money(Decimal("0.00")), "$0.00"),
        (formatting.money(None), "–"),
        (formatting.number(1234567), "1,234,567"),
        (formatting.number(Decimal("12.30")), "12.30"),
        (formatting.counted(1, "order"), "1 order"),
        (formatting.counted(0, "order"), "0 orders"),
        (formatting.counted(1234, "anomaly", "anomalies"), "1,234 anomalies"),
        (formatting.percent(Decimal("0.1149")), "11.5 %"),
        (formatting.percent(None), "–"),
        (formatting.growth(Decimal("-0.0312")), "-3.1 %"),
        (formatting.growth(Decimal("12.5")), "+1,250.0 %"),
        (formatting.change(Decimal("150.00"), Decimal("100.00")), "+50.0 %"),
        (formatting.change(Decimal("0.00"), Decimal("100.00")), "-100.0 %"),
        (formatting.change(5, 0), None),
        (formatting.change(None, Decimal("1.00")), None),
        (formatting.milliseconds(Decimal("0.1875")), "188 ms"),
        (formatting.seconds(Decimal("250.2")), "250.2 s"),
        (formatting.size(0), "0 B"),
        (formatting.size(999), "999 B"),
        (formatting.size(201_326_592), "201.3 MB"),
        (formatting.size(10**16), "10,000.0 TB"),
        (formatting.name(None), "unknown"),
        (formatting.shown_time("2025-12-07T04:31:59.874+02:00"), "2025-12-07 02:31:59"),
        (formatting.days_ago(0), "the same day"),
        (formatting.days_ago(1), "1 day before"),
        (formatting.sentence("a $5 * b"), r"A \$5 \* b"),
    ],
)
def test_figures(shown: str | None, text: str | None) -> None:
    assert shown == text


@pytest.mark.parametrize(
    ("name", "shown"), [(None, "unknown"), ("<b>&", "&lt;b&gt;&amp;"), ("x" * 37, "x" * 35 + "…"), ("", "unknown")]
)
def test_names_in_charts(name: str | None, shown: str) -> None:
    assert charts.label(name) == shown


def test_a_download_is_exact_and_no_spreadsheet_runs_it() -> None:
    rows: list[dict[str, Any]] = [
        {"key": "=1+1", "revenue": Decimal("90071992547409931.07"), "count": 3},
        {"key": 'a "b", c', "revenue": Decimal("1E+2"), "count": -1},
        {"key": None, "revenue": None, "count": 0},
    ]
    columns = [components.Column(name, name.upper()) for name in ("key", "revenue", "count")]
    read = list(csv.reader(io.StringIO(components.to_csv(rows, columns).decode())))
    assert read == [
        ["key", "revenue", "count"],
        ["'=1+1", "90071992547409931.07", "3"],
        ['a "b", c', "100", "-1"],
        ["", "", "0"],
    ]
