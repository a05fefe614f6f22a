"""Products, trends and the funnel against naive figures of the published documents."""

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest

from tests.api.marts import MIDNIGHT, Row, mean, total
from tests.api.serving import answered, api_over
from tests.support.databases import Database

PRODUCTS = "/api/v1/products/performance"
TRENDS = "/api/v1/trends"
FUNNEL = "/api/v1/funnel"


@pytest.mark.parametrize("query", [{}, {"country": "UK"}, {"category": "c1"}, {"limit": 2}])
async def test_categories_have_the_guides_fields(
    database: Database, night: dict[str, list[Row]], query: dict[str, Any]
) -> None:
    rows = [r for r in night["product_performance"] if r["country"] == query.get("country")]
    lines = []
    for name in ("c0", "c1", "c2"):
        members = [row for row in rows if row["category"] == name]
        revenue, orders = total(members, "revenue"), total(members, "transaction_count")
        lines.append(
            {
                "category": name,
                "revenue": revenue,
                "transaction_count": orders,
                "avg_transaction_value": mean(revenue, int(orders)),
            }
        )
    lines = [line for line in lines if query.get("category") in (None, line["category"])]
    lines.sort(key=lambda line: -line["revenue"])
    async with api_over(database) as client:
        got = await answered(client, PRODUCTS, **query)
    assert got == {"products": lines[: query.get("limit", 100)], "as_of": "2026-02-28"}


@pytest.mark.parametrize(
    "query",
    [{}, {"country": "USA"}, {"category": "c2", "country": "UK"}, {"limit": 5}, {"limit": 110, "country": "UK"}],
)
async def test_products(database: Database, night: dict[str, list[Row]], query: dict[str, Any]) -> None:
    rows = [r for r in night["product_performance"] if r["country"] == query.get("country")]
    rows = [row for row in rows if query.get("category") in (None, row["category"])]
    rows.sort(key=lambda row: (-row["revenue"], row["product_id"]))
    lines = [{name: row[name] for name in row if name != "country"} for row in rows]
    async with api_over(database) as client:
        got = await answered(client, PRODUCTS, group_by="product", **query)
    assert got == {"products": lines[: query.get("limit", 100)], "as_of": "2026-02-28"}


def _shown(row: Row) -> Row:
    times = ("period_start", "analysis_date")
    return {**row, **{name: row[name].strftime("%Y-%m-%dT00:00:00Z") for name in times}}


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"period_type": "weekly"},
        {"period_type": "monthly", "country": "UK"},
        {"start_date": "2026-02-10", "end_date": "2026-02-12"},
        {"start_date": "2026-02-10T00:00:01", "end_date": "2026-02-12T00:00:00"},
    ],
)
async def test_trends(database: Database, night: dict[str, list[Row]], query: dict[str, Any]) -> None:
    kind, country = query.get("period_type", "daily"), query.get("country")
    rows = [r for r in night["sales_trends"] if (r["period_type"], r["country"]) == (kind, country)]
    if "start_date" in query:
        exclusive = "T" in query["end_date"]
        first, last = ("2026-02-11", "2026-02-11") if exclusive else ("2026-02-10", "2026-02-12")
        rows = [row for row in rows if first <= row["period"] <= last]
    rows.sort(key=lambda row: str(row["period"]))
    async with api_over(database) as client:
        got = await answered(client, TRENDS, **query)
    assert rows
    assert got == {"trends": [*map(_shown, rows)], "next_cursor": None, "as_of": "2026-02-28"}


@pytest.mark.parametrize("limit", [1, 7, 40])
async def test_pages_of_trends_show_every_period_once(
    database: Database, night: dict[str, list[Row]], limit: int
) -> None:
    rows = [r for r in night["sales_trends"] if (r["period_type"], r["country"]) == ("daily", None)]
    found: list[str] = []
    query: dict[str, Any] = {"limit": limit}
    async with api_over(database) as client:
        while query.get("cursor", "") is not None:
            page = await answered(client, TRENDS, **query)
            found += [each["period"] for each in page["trends"]]
            query["cursor"] = page["next_cursor"]
    assert found == sorted(str(row["period"]) for row in rows)


def _periods(random: Random) -> list[tuple[datetime, datetime]]:
    """Whole days, parts of days, both, none; to the millisecond, as the warehouse keeps times."""
    edges = [MIDNIGHT - timedelta(days=n) for n in range(-1, 20)]
    edges += [at + timedelta(milliseconds=random.choice([-1, 1, 43_200_000])) for at in edges]
    pairs = [sorted(random.sample(edges, 2)) for _ in range(25)]
    return [(start, end) for start, end in pairs]


async def test_every_funnel_is_exact(database: Database, night: dict[str, list[Row]]) -> None:
    random = Random(8)
    forever = (datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC))
    async with api_over(database) as client:
        for start, end in [forever, *_periods(random)]:
            country = random.choice([None, "UK", "Atlantis"])
            query = {"start_date": start.isoformat(), "end_date": end.isoformat()}
            query |= {} if country is None else {"country": country}
            got = await answered(client, FUNNEL, **query)
            meant = [
                row
                for row in night["fact_sessions"]
                if start <= row["started_at"] < end and country in (None, row["country"])
            ]
            assert {name: got[name] for name in _naive(meant)} == _naive(meant), query


def _naive(rows: list[Row]) -> dict[str, Any]:
    steps = {
        "with_view": [row for row in rows if row["views"]],
        "with_cart_add": [row for row in rows if row["cart_adds"]],
        "with_checkout": [row for row in rows if row["checkouts"]],
        "converted": [row for row in rows if row["converted"]],
        "abandoned": [row for row in rows if row["abandoned"]],
    }
    counts = {name: len(members) for name, members in steps.items()}
    rates = {
        "view_rate": "with_view",
        "cart_rate": "with_cart_add",
        "checkout_rate": "with_checkout",
        "conversion_rate": "converted",
    }
    return {
        "sessions": len(rows),
        **counts,
        "revenue": total(rows, "revenue"),
        **{rate: mean(counts[step], len(rows), "0.0001") for rate, step in rates.items()},
        "abandonment_rate": mean(counts["abandoned"], counts["with_cart_add"], "0.0001"),
        "as_of": "2026-02-28",
    }
