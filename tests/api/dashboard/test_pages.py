"""Every page shows exactly what the API says, of the chosen country and days."""

import json
import re
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import pytest
from streamlit.testing.v1 import AppTest

from api.dashboard import formatting
from tests.api.dashboard.running import Dashboard, again, cards, messages
from tests.support.waiting import wait_until

DAYS: Final[dict[str, str | list[str]]] = {"period": "Between two days", "days": ["2026-02-10", "2026-02-20"]}
RANGE: Final = {"start_date": "2026-02-10", "end_date": "2026-02-20"}
BEFORE: Final = {"start_date": "2026-01-30", "end_date": "2026-02-09"}


def _totals(dashboard: Dashboard, country: str | None, days: dict[str, str]) -> Any:
    query = days if country is None else {**days, "country": country}
    return dashboard.answer("sales/metrics", **query)


def test_overview_follows_country_and_days(dashboard: Dashboard) -> None:
    page = dashboard.opened(**DAYS)
    seen = []
    for country in (None, "UK", "USA"):
        page.selectbox(key="country").select(country or "")
        again(page)
        now, was = [_totals(dashboard, country, days) for days in (RANGE, BEFORE)]
        shown = cards(page)
        assert shown["Revenue"] == formatting.money(now["total_revenue"])
        assert shown["Orders"] == formatting.number(now["total_transactions"])
        assert shown["Average order"] == formatting.money(now["avg_order_value"])
        (revenue,) = (card for card in page.metric if card.label == "Revenue")
        assert revenue.delta == formatting.change(now["total_revenue"], was["total_revenue"])
        assert f"2026-02-10 to 2026-02-20, {country or 'all countries'}, as of" in messages(page)
        seen.append(shown["Revenue"])
    assert len(set(seen)) == 3


def test_the_address_names_country_and_days(dashboard: Dashboard) -> None:
    page = dashboard.opened(country="UK", **DAYS)
    now = _totals(dashboard, "UK", RANGE)
    assert cards(page)["Revenue"] == formatting.money(now["total_revenue"])
    assert page.query_params["country"] == "UK"
    page.selectbox(key="country").select("USA")
    page.selectbox(key="period").select("all")
    again(page)
    everything = _totals(dashboard, "USA", {})
    assert cards(page)["Revenue"] == formatting.money(everything["total_revenue"])
    assert f"Orders of {everything['period']['start']} to" in messages(page)


def test_breakdowns_are_tables_of_the_same_orders(dashboard: Dashboard) -> None:
    page = dashboard.opened(country="UK", **DAYS)
    per_day, per_category, per_country = (table.value for table in page.dataframe[:3])
    totals = _totals(dashboard, "UK", RANGE)
    for table in (per_day, per_category):
        assert sum(table["Revenue"], Decimal(0)) == totals["total_revenue"]
        assert table["Orders"].sum() == totals["total_transactions"]
    assert list(per_day["Day"]) == [f"2026-02-{day}" for day in range(10, 21)]
    assert set(per_category["Category"]) == {"Books", "Garden", "Toys", "unknown"}
    assert set(per_country["Country"]) == {"UK", "USA", "unknown"}
    (uk,) = per_country[per_country["Country"] == "UK"]["Revenue"]
    assert uk == totals["total_revenue"]


def test_the_last_hour_is_that_of_the_api(dashboard: Dashboard) -> None:
    page = dashboard.opened(period="Last hour", country="UK")
    said = messages(page)
    stated = re.search(r"Orders of (\S+) (\S+) to (\S+), UK", said)
    assert stated, said
    day, start, end = stated.groups()
    ends = datetime.fromisoformat(f"{day}T{end}Z") + (timedelta(days=1) if end < start else timedelta(0))
    hour = {"start_date": f"{day}T{start}Z", "end_date": f"{ends:%Y-%m-%dT%H:%MZ}"}
    assert cards(page)["Orders"] == formatting.number(_totals(dashboard, "UK", hour)["total_transactions"])
    assert "Revenue per" not in "".join(each.value for each in page.subheader), "its minutes are above"
    assert "Last 60 minutes" in [each.value for each in page.subheader]
    assert not page.error


def test_hours_are_compared_with_the_mean_of_the_week_before(dashboard: Dashboard) -> None:
    page = dashboard.opened(period="Between two days", days=["2026-02-20", "2026-02-21"])
    assert "the mean of the same hours of the 7 days before" in messages(page)
    (figure,) = (spec for spec in _figures(page) if len(spec["data"]) == 2)
    week = {"start_date": "2026-02-13", "end_date": "2026-02-19"}
    groups = dashboard.answer("sales/breakdown", group_by="hour", **week)["groups"]
    days = {group["key"][:10] for group in groups}
    sums = [
        sum((group["revenue"] for group in groups if group["key"][11:13] == f"{hour:02}"), Decimal(0))
        for hour in range(24)
    ]
    usual = figure["data"][1]
    assert usual["name"] == "Usual at this hour"
    assert usual["y"] == pytest.approx([float(total / len(days)) for total in sums * 2], abs=0.005)
    hovers = figure["data"][0]["customdata"]
    assert {hover[:10] for hover in hovers} == {"2026-02-20", "2026-02-21"}


def _figures(page: AppTest) -> list[dict[str, Any]]:
    """What charts are drawn from."""
    return [json.loads(chart.proto.spec) for chart in page.get("plotly_chart")]


def test_the_funnel(dashboard: Dashboard) -> None:
    page = dashboard.opened(country="UK", **DAYS)
    funnel = dashboard.answer("funnel", country="UK", **RANGE)
    shown = cards(page)
    assert funnel["sessions"] > 0
    assert shown["Conversion"] == formatting.percent(funnel["conversion_rate"])
    assert shown["Abandoned carts"] == formatting.percent(funnel["abandonment_rate"])
    assert shown["Revenue of sessions"] == formatting.money(funnel["revenue"])
    assert f"sessions up to the end of {funnel['as_of']}" in messages(page)


def test_customers(dashboard: Dashboard) -> None:
    values = set()
    for country in ("", "UK", "USA"):
        page = dashboard.opened("customers", country=country)
        query = {"country": country} if country else {}
        segments = (dashboard.answer("customers/segments", **query))["segments"]
        table = page.dataframe[0].value
        assert list(table["Total value"]) == [segment["total_value"] for segment in segments]
        assert list(table["Customers"]) == [segment["customer_count"] for segment in segments]
        value = sum((segment["total_value"] for segment in segments), Decimal(0))
        assert cards(page)["Total value"] == formatting.money(value)
        assert "as of 2026-02-28" in messages(page).lower()
        values.add(value)
    assert len(values) == 3
    migrations = page.dataframe[1].value
    assert list(migrations["Customers"].sort_values()) == [1, 2, 3]


def test_one_customer(dashboard: Dashboard) -> None:
    known = dashboard.answer("customers/u7")
    page = dashboard.opened("customers", customer="u7")
    shown = cards(page)
    assert shown["Segment"] == known["segment_name"]
    assert shown["Value so far"] == formatting.money(known["monetary"])
    orders = page.dataframe[-1].value
    ids = [order["transaction_id"] for order in known["recent_transactions"]]
    assert list(orders["Order"]) == ids != []
    page.text_input(key="customer").set_value("nobody_at_*all*")
    again(page)
    assert "No customer nobody_at_*all*" in messages(page)


@pytest.mark.parametrize("by", ["Categories", "Products"])
def test_products(dashboard: Dashboard, by: str) -> None:
    group = {"Categories": "category", "Products": "product"}[by]
    tables = []
    for country in ("UK", "USA"):
        page = dashboard.opened("products", country=country, by=by)
        query = {"country": country, "group_by": group}
        products = (dashboard.answer("products/performance", **query))["products"]
        table = page.dataframe[0].value
        assert list(table["Revenue"]) == [product["revenue"] for product in products]
        assert "up to the end of 2026-02-28" in messages(page)
        tables.append(list(table["Revenue"]))
    assert tables[0] != tables[1]
    one = products[0]["category"]
    page = dashboard.opened("products", country="USA", by=by, category=one)
    assert set(page.dataframe[0].value["Category"]) == {one}


def test_trends(dashboard: Dashboard) -> None:
    page = dashboard.opened("trends", country="UK", **DAYS)
    query = {"country": "UK", "period_type": "daily", **RANGE}
    days = (dashboard.answer("trends", **query))["trends"]
    table = page.dataframe[0].value
    assert len(days) == 11
    assert list(table["Revenue"]) == [day["revenue"] for day in reversed(days)]
    assert cards(page)["Revenue of 2026-02-20"] == formatting.money(days[-1]["revenue"])
    page = dashboard.opened("trends", period="Everything stored", trend="Weeks")
    assert list(page.dataframe[0].value["Period"]) == ["2026-W09"]
    assert "The ringed period is not over yet." in messages(page)


def test_anomalies_follow_country_days_and_type(dashboard: Dashboard) -> None:
    seen = set()
    for country in ("", "UK"):
        for kind, title in (("high_value", "High value"), ("unusual_quantity", "Unusual quantity")):
            page = dashboard.opened("anomalies", country=country, type=title, **DAYS)
            query = {"anomaly_type": kind, "limit": 200, **RANGE}
            query |= {"country": country} if country else {}
            found = (dashboard.answer("anomalies", **query))["anomalies"]
            table = page.dataframe[0].value
            assert list(table["Order"]) == [each["transaction_id"] for each in found]
            assert list(table["Amount"]) == [each["amount"] for each in found]
            assert cards(page)[title] == formatting.number(len(found))
            seen.add(len(found))
    assert len(seen) == 4


def test_operations(dashboard: Dashboard) -> None:
    page = dashboard.opened("operations")
    answer = dashboard.answer("operations")
    topics, runs = page.dataframe[0].value, page.dataframe[1].value
    assert list(topics["Consumed"]) == [topic["consumed"] for topic in answer["topics"]]
    assert list(runs["Status"]) == ["published"]
    assert cards(page)["Workers"] == "0"
    assert "Run `globalmart worker`" in messages(page)


def test_operations_show_the_disk(dashboard: Dashboard) -> None:
    """Others write to it, between a page and an answer, too."""

    def same() -> bool:
        shown = cards(dashboard.opened("operations"))["Disk free"]
        return bool(shown == formatting.size(dashboard.answer("operations")["disk"]["free_bytes"]))

    wait_until(same)
