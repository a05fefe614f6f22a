"""Figures shown compared with figures stored."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from api.routes.transactions import Order, Transaction
from app.reconcile.comparison import Comparison, named
from app.reconcile.serving.answer_shapes import SHAPES, shaped
from app.reconcile.serving.warehouse_answers import published_answers
from app.reconcile.warehouse.trend_periods import quotient, trend
from compose.demo.comparisons import api_table

STORED_SEGMENTS = shaped(
    "segments",
    [
        {
            "segment_name": "Lost",
            "customer_count": 2,
            "avg_monetary": Decimal("5.25"),
            "avg_frequency": Decimal("1.00"),
            "total_value": Decimal("10.50"),
        }
    ],
)


def test_rows_are_named_by_their_keys() -> None:
    rows = [{"from": "Lost", "to": "Champions", "customers": 1}]
    assert named("moved", ("from", "to"), ("customers",), rows) == {"moved Lost Champions: customers": 1}


def test_equal_figures_agree_however_many_zeros_they_end_with() -> None:
    shown = {**STORED_SEGMENTS, "segments Lost: total_value": Decimal("10.5")}
    comparison = Comparison("api", STORED_SEGMENTS, shown)
    assert comparison.as_data() == {"compared": 4, "mismatches": 0}
    assert comparison.details == []


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        (
            {"segments Lost: total_value": Decimal("10.51")},
            "api: segments Lost: total_value: stored 10.50, shown 10.51",
        ),
        ({"segments New: customer_count": 1}, "api: segments New: customer_count: stored nothing, shown 1"),
    ],
)
def test_a_wrong_figure_and_one_too_many_are_reported(change: dict[str, Any], detail: str) -> None:
    comparison = Comparison("api", STORED_SEGMENTS, {**STORED_SEGMENTS, **change})
    assert comparison.details == [detail]
    assert comparison.as_data()["mismatches"] == 1


def test_a_missing_figure_is_reported() -> None:
    shown = {name: value for name, value in STORED_SEGMENTS.items() if "avg_frequency" not in name}
    (detail,) = Comparison("api", STORED_SEGMENTS, shown).details
    assert detail == "api: segments Lost: avg_frequency: stored 1.00, shown nothing"


def test_no_figures_at_all_are_no_agreement() -> None:
    assert Comparison("api").differences == ["there is nothing to compare with"]
    assert Comparison("api", failure="it is down").as_data() == {"compared": 0, "mismatches": 1}


def test_the_api_section_is_on_the_screen() -> None:
    table = api_table({"api": {"compared": 1200, "mismatches": 0}})
    assert [list(column.cells) for column in table.columns] == [["REST API"], ["1,200"], ["0"]]


def test_trends_are_made_of_days() -> None:
    days = {
        date(2025, 12, 1): (Decimal("3.00"), 1),
        date(2025, 12, 2): (Decimal("4.00"), 2),
        date(2025, 12, 4): (Decimal("1.00"), 1),
        date(2025, 12, 8): (Decimal("2.00"), 1),
    }
    daily = trend("daily", days, date(2025, 12, 9))
    growths = [row["revenue_growth_rate"] for row in daily]
    assert growths == [None, Decimal("0.3333"), None, None]
    assert [row["partial"] for row in daily] == [False] * 4
    weekly = trend("weekly", days, date(2025, 12, 9))
    assert [(row["period"], row["revenue"], row["transactions"]) for row in weekly] == [
        ("2025-W49", Decimal("8.00"), 4),
        ("2025-W50", Decimal("2.00"), 1),
    ]
    assert [row["partial"] for row in weekly] == [False, True]
    assert weekly[1]["revenue_growth_rate"] == Decimal("-0.7500")
    running = trend("daily", days, date(2025, 12, 8))
    assert [row["partial"] for row in running] == [False, False, False, True]
    (month,) = trend("monthly", days, date(2025, 12, 31))
    assert month["partial"]
    (month,) = trend("monthly", days, date(2026, 1, 1))
    assert (month["period"], month["partial"]) == ("2025-12", False)


def test_quotients_are_rounded_half_away_from_zero() -> None:
    assert quotient(1, 8, 2) == Decimal("0.13")
    assert quotient(-1, 8, 2) == Decimal("-0.13")
    assert quotient(1, 0, 2) is None


def _customer(user: str, before: str | None, value: str) -> dict[str, Any]:
    return {
        "user_id": user,
        "country": "UK",
        "r_score": 5,
        "f_score": 4,
        "m_score": 1,
        "recency": 9,
        "rfm_segment": "541",
        "segment_name": "Champions",
        "previous_segment": before,
        "monetary": Decimal(value),
        "frequency": 2,
    }


def marts_of_two_customers(mart: str) -> list[dict[str, Any]]:
    product = {
        "category": "Books",
        "units": 3,
        "transaction_count": 2,
        "views": 8,
        "cart_adds": 1,
        "avg_transaction_value": Decimal("1.50"),
        "conversion": Decimal("0.25"),
    }
    session = {"views": 1, "cart_adds": 1, "checkouts": 0, "abandoned": True, "converted": False}
    return {
        "customer_segments": [_customer("a", None, "3.00"), _customer("b", "Lost", "4.01")],
        "product_performance": [
            {**product, "product_id": "p1", "country": None, "revenue": Decimal("3.00")},
            {**product, "product_id": "p1", "country": "UK", "revenue": Decimal("3.00")},
            {**product, "product_id": "p2", "country": None, "revenue": Decimal("4.01")},
        ],
        "fact_sessions": [{**session, "revenue": Decimal(0)}, {**session, "revenue": Decimal(2)}],
    }[mart]


def test_documents_are_added_up() -> None:
    known = {"user_id": "a", "recency": 0, "frequency": 2, "monetary": Decimal("3.00")}
    found = published_answers(marts_of_two_customers, known)
    assert found["segments Champions: avg_monetary"] == Decimal("3.51")
    assert found["rfm 5 4: customers"] == 2
    assert found["migrations (none) Champions: customers"] == 1
    assert found["migrations Lost Champions: revenue"] == Decimal("4.01")
    assert found["categories Books: revenue"] == Decimal("7.01")
    assert [name for name in found if name.endswith(": conversion")] == [
        "products p2: conversion",
        "products p1: conversion",
    ]
    assert found["funnel: abandonment_rate"] == Decimal("1.0000")
    assert found["customer a: recency"] == 0  # PostgreSQL's account, not the mart's


def test_orders_are_compared_by_the_fields_that_the_api_shows() -> None:
    shown = set(Transaction.model_fields) - {"transaction_id", "anomalies"}
    assert set(SHAPES["order"][1]) == shown
    assert set(SHAPES["customer's order"][1]) == set(Order.model_fields) - {"transaction_id"}
