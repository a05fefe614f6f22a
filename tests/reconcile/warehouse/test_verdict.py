"""What the demo makes of two accounts of the warehouse."""

import importlib.util
from datetime import date
from decimal import Decimal

import pytest
from rich.console import Console

from app.errors import JavaMissingError
from app.reconcile.warehouse.stored_totals import CUSTOMERS, DAYS, SEGMENT_NAMES
from app.reconcile.warehouse.warehouse_check import WarehouseReport, segments_line, warehouse_table
from compose.demo.demo import run

_DAY = date(2025, 12, 7)
_STORED = {
    DAYS: {"2025-12-06": Decimal("10.00"), "2025-12-07": Decimal("0.50")},
    CUSTOMERS: {"Lost": Decimal(2), "Champions": Decimal(1)},
}


def test_two_equal_accounts_have_no_difference() -> None:
    report = WarehouseReport(_DAY, 12.34, _STORED, dict(reversed(_STORED.items())))
    assert report.differences == report.details == []
    data = report.as_data()
    assert data["checks"][DAYS] == {"figures": 2, "expected": "10.50", "found": "10.50"}
    assert data["customers_by_segment"] == {"Champions": 1, "Lost": 2}
    assert set(data["unused_segments"]) == SEGMENT_NAMES - {"Lost", "Champions"}
    assert (data["as_of"], data["batch_seconds"], data["mismatches"]) == ("2025-12-07", 12.3, 0)


def test_every_figure_that_differs_is_counted_and_named() -> None:
    shown = {
        DAYS: {"2025-12-06": Decimal("9.50"), "2025-12-08": Decimal("1.00")},
        CUSTOMERS: {"Lost": Decimal(2), "Champions": Decimal(1)},
    }
    report = WarehouseReport(_DAY, 1.0, _STORED, shown)
    assert report.details == [
        "warehouse: revenue by day, 2025-12-06: PostgreSQL 10.00, MongoDB 9.50",
        "warehouse: revenue by day, 2025-12-07: PostgreSQL 0.50, MongoDB nothing",
        "warehouse: revenue by day, 2025-12-08: PostgreSQL nothing, MongoDB 1.00",
    ]
    assert report.as_data()["mismatches"] == 3


def test_equal_sums_hide_no_difference() -> None:
    swapped = {**_STORED, CUSTOMERS: {"Lost": Decimal(1), "Champions": Decimal(2)}}
    report = WarehouseReport(_DAY, 1.0, _STORED, swapped)
    assert report.as_data()["checks"][CUSTOMERS] == {"figures": 2, "expected": "3", "found": "3"}
    assert len(report.differences) == 2


def test_a_batch_that_published_nothing_is_one_mismatch() -> None:
    report = WarehouseReport(_DAY, failure="the nightly batch ended with exit code 1")
    assert report.details == ["warehouse: the nightly batch ended with exit code 1"]
    assert report.as_data()["mismatches"] == 1


def test_the_screen_shows_both_sums() -> None:
    console = Console(width=100)
    with console.capture() as shown:
        console.print(warehouse_table(WarehouseReport(_DAY, 1.0, _STORED, _STORED).as_data()))
    heading, days, customers = shown.get().splitlines()
    assert heading.split() == ["warehouse", "as", "of", str(_DAY), "figures", "PostgreSQL", "MongoDB"]
    assert days.split() == ["revenue", "by", "day", "2", "10.50", "10.50"]
    assert customers.split() == ["customers", "by", "segment", "2", "3", "3"]


def test_empty_segments_are_named() -> None:
    line = segments_line(WarehouseReport(_DAY, 1.0, _STORED, _STORED).as_data())
    assert line.startswith("segments: Champions 1, Lost 2; no customers in About To Sleep, At Risk, ")


def test_a_demo_without_java_says_so_before_it_starts_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(JavaMissingError, match="Java 17 or newer is missing"):
        run()
