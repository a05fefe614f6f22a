"""Addresses a page cannot use as they are: it says which parameter, which value, and what it shows instead."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from tests.api.dashboard.running import Dashboard, again, cards, leading_to, messages, served_in_thread
from tests.api.marts import AS_OF, customers
from tests.api.shop import store
from tests.sink.chunk_slices import order
from tests.support.databases import Database
from tests.support.warehouses import Warehouse


def _warned(page: AppTest) -> str:
    return "\n".join(str(each.value) for each in page.warning).replace("\\", "")


@pytest.mark.parametrize(
    ("view", "given", "expected"),
    [
        ("overview", {"period": "Last week"}, ["`period=Last week`", "`Last 7 days`", "Last 30 days is shown instead"]),
        ("overview", {"period": "7d"}, ["`period=7d`", "Last 30 days is shown instead"]),
        ("trends", {"period": "Everything"}, ["`period=Everything`", "Last 30 days is shown instead"]),
        ("anomalies", {"period": ["Today", "Last 7 days"]}, ["`period=Today` and `period=Last 7 days`", "only one"]),
        ("overview", {"days": ["20260210", "2026-02-20"]}, ["`days=20260210`", "write a date such as 2025-12-01"]),
        ("overview", {"days": "1762041600"}, ["`days=1762041600`", "since 1970"]),
        ("overview", {"days": ["2026-02-30", "2026-03-01"]}, ["`days=2026-02-30`", "does not exist"]),
        ("trends", {"days": ["2026-02-01", "2026-02-02", "2026-02-03"]}, ["a first and a last day, no more"]),
        ("overview", {"days": ["0025-11-29", "2026-02-20"]}, ["days before 1000-01-01", "is shown instead"]),
        ("overview", {"period": "Today", "days": ["2026-02-10", "2026-02-20"]}, ["`days=2026-02-10`", "Today is"]),
        ("overview", {"country": "usa"}, ["`country=usa`", "letter by letter", "nothing"]),
        ("overview", {"contry": "UK"}, ["`contry=UK`", "`country`", "changes nothing"]),
        ("operations", {"start_date": "2026-02-10"}, ["`start_date=2026-02-10`", "`days`"]),
        ("products", {"by": "Brands"}, ["`by=Brands`", "`Products`", "Categories is shown instead"]),
        ("products", {"rows": "7"}, ["`rows=7`", "`500`", "100 rows is shown instead"]),
        ("products", {"category": "Boks"}, ["`category=Boks`", "no stored order has this category"]),
        ("trends", {"trend": "Years"}, ["`trend=Years`", "`Months`", "Days is shown instead"]),
        ("anomalies", {"type": "odd`*_<b>"}, ["`type=odd�*_<b>`", "`High value`", "Every type is shown instead"]),
        ("customers", {"customer": ["a", "u7"]}, ["`customer=a` and `customer=u7`", "u7 is shown instead"]),
    ],
)
def test_what_is_not_understood_is_said(
    dashboard: Dashboard, view: str, given: dict[str, Any], expected: list[str]
) -> None:
    page = dashboard.opened(view, **given)
    warned = _warned(page)
    for text in expected:
        assert text in warned
    assert len(page.warning) == 1
    again(page)
    assert _warned(page) == warned, "it stays while nothing else is chosen"


def test_several_things_are_said_together(dashboard: Dashboard) -> None:
    page = dashboard.opened("products", period="soon", rows="7", x="y")
    (warning,) = page.warning
    assert all(name in warning.value for name in ("period=soon", "rows=7", "x=y"))


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"country": "UK"},
        {"country": ""},
        {"country": "unknown"},
        {"country": "UNKNOWN"},
        {"period": "Everything stored"},
        {"period": ""},
        {"days": ["2026-02-10", "2026-02-20"]},
        {"period": "Between two days", "days": ["2026-02-20", "2026-02-10"]},
        {"period": "Between two days"},
        {"period": "Between two days", "days": "2026-02-10"},
    ],
)
def test_what_is_understood_needs_no_word(dashboard: Dashboard, given: dict[str, Any]) -> None:
    assert not dashboard.opened(**given).warning


def test_the_warning_goes_once_something_else_is_chosen(dashboard: Dashboard) -> None:
    page = dashboard.opened(period="soon", country="Atlantis")
    page.selectbox(key="period").select("all")
    again(page)
    assert "soon" not in _warned(page)
    assert "Atlantis" in _warned(page)
    page.selectbox(key="country").select("UK")
    assert not again(page).warning


def test_days_alone_are_those_days(dashboard: Dashboard) -> None:
    page = dashboard.opened(days=["2026-02-10", "2026-02-20"])
    query = {"start_date": "2026-02-10", "end_date": "2026-02-20"}
    expected = dashboard.answer("sales/metrics", **query)["total_transactions"]
    assert cards(page)["Orders"] == str(expected)
    assert "2026-02-10 to 2026-02-20" in messages(page)


def test_those_without_a_country_can_be_chosen(dashboard: Dashboard) -> None:
    page = dashboard.opened(period="Everything stored")
    assert "unknown" in page.selectbox(key="country").options
    page.selectbox(key="country").select("unknown")
    again(page)
    expected = dashboard.answer("sales/metrics", country="unknown")["total_transactions"]
    assert cards(page)["Orders"] == str(expected) != "0"
    assert set(page.dataframe[2].value["Country"]) == {"UK", "USA", "unknown"}
    assert set(page.dataframe[1].value["Category"]) == {"Books", "Garden", "Toys", "unknown"}
    products = dashboard.opened("products", category="unknown")
    assert "unknown" in products.selectbox(key="category").options


async def test_days_of_long_ago_can_be_chosen(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """As of CDNOW, which is of 1997: the picker follows what is stored, an address may ask for more."""
    day = datetime(1997, 1, 15, 12, tzinfo=UTC)
    await store(database, [order(0, timestamp=day, amount_cents=1_250)])
    with served_in_thread(database.settings) as url, leading_to(url, monkeypatch) as dashboard:
        page = dashboard.opened(period="Between two days", days=["1997-01-01", "1997-01-31"])
        assert not page.warning
        assert cards(page)["Revenue"] == "$12.50"
        picker = page.date_input(key="days")
        assert (str(picker.min), str(picker.max)) == ("1997-01-01", f"{datetime.now(UTC):%Y-%m-%d}")
        later = dashboard.opened(period="Between two days")
        assert str(later.date_input(key="days").min) == "1997-01-15"
        later.date_input(key="days").set_value((day.date(), day.date()))
        again(later)
        assert cards(later)["Revenue"] == "$12.50"
        beyond = dashboard.opened(days=["1066-10-14", "2150-01-01"])
        assert not beyond.warning
        assert cards(beyond)["Orders"] == "1"
        assert "1066-10-14 to 2150-01-01" in messages(beyond)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "Every customer has the same scores for recency and frequency"),
        ({"f_score": 3}, "same score for recency, so the segments differ by frequency alone"),
        ({"r_score": 5, "f_score": 3}, ""),
    ],
)
async def test_customers_all_alike_are_said_to_be(
    database: Database, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, changes: dict[str, int], expected: str
) -> None:
    alike = {"r_score": 1, "f_score": 1, "segment_name": "Lost", "monetary": Decimal(5)}
    rows = [row | alike for row in customers(number=5)]
    rows[0] |= changes
    warehouse.publish(AS_OF, customer_segments=rows)
    with served_in_thread(database.settings) as url, leading_to(url, monkeypatch) as dashboard:
        notes = {dashboard.answer(f"customers/{path}")["note"] for path in ("segments", "rfm", "u1")}
        page = dashboard.opened("customers", customer="u1")
    (note,) = notes
    assert (expected in (note or "")) and (note is None) == (expected == "")
    infos = [each.value for each in page.info if "Every customer" in each.value]
    assert len(infos) == (2 if expected else 0), "at the segments and at the customer"
