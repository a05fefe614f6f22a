"""`unknown` and no name at all are one thing on every face: stream, warehouse, API, filters."""

from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

import httpx
import pytest

from api.application import create_app
from app.events.topics.transactions import TransactionRow
from tests.api.serving import answered, client_of
from tests.api.shop import store
from tests.batch.nights import Nights
from tests.sink.chunk_slices import NOON, order

_V1: Final = "/api/v1"
_ALL: Final = Decimal("306.00")
_NAMES: Final = ([None, "unknown", None], ["", "Unknown", None], ["unknown", " \t", "UNKNOWN"])


#: Each answer's lines and the figure that adds up to all orders of a country.
_BY_COUNTRY: Final = (
    *(("sales/breakdown", {"group_by": each}, "groups", "revenue") for each in ("day", "hour", "category", "country")),
    *(("trends", {"period_type": each}, "trends", "revenue") for each in ("daily", "weekly", "monthly")),
    ("customers/segments", {}, "segments", "total_value"),
    ("customers/rfm", {}, "cells", "revenue"),
    ("products/performance", {}, "products", "revenue"),
    ("products/performance", {"group_by": "product"}, "products", "revenue"),
)
#: Rows at both ends, whole minutes between them.
_PIECE: Final = {"start_date": "2026-03-01T12:00:07Z", "end_date": "2026-03-01T12:02:08Z"}


def _orders(names: list[str | None]) -> list[TransactionRow]:
    """Orders of 100, 102 and 104 with these countries and categories, and one of 500 of somewhere."""
    orders = [
        order(
            n,
            user_id=f"u{n}",
            amount_cents=10_000 + 200 * n,
            country=name,
            category=name,
            session_id=None,
            timestamp=NOON + timedelta(minutes=n, seconds=7),
        )
        for n, name in enumerate(names)
    ]
    return [*orders, order(9, amount_cents=50_000, country="Ünknown", category="unknowns", product_id="p2")]


@pytest.mark.parametrize("names", _NAMES, ids=repr)
async def test_every_face_says_306(nights: Nights, names: list[str | None]) -> None:
    await store(nights.database, _orders(names))
    nights.run(NOON.date())
    app = create_app(nights.settings, now=lambda: NOON + timedelta(days=1))
    async with client_of(app) as client:
        assert await answered(client, f"{_V1}/dimensions") == {
            "countries": ["unknown", "Ünknown"],
            "categories": ["unknown", "unknowns"],
            "days": {"first": "2026-03-01", "last": "2026-03-01"},
        }
        for spelling in ("unknown", "Unknown"):
            await _require_306(client, spelling)
        everywhere = await answered(client, f"{_V1}/sales/breakdown", group_by="country")
    assert [(line["key"], line["revenue"]) for line in everywhere["groups"]] == [
        ("Ünknown", Decimal(500)),
        ("unknown", _ALL),
    ]
    windows = await nights.database.fetch("SELECT DISTINCT category, country FROM sales_metrics ORDER BY country")
    assert [tuple(row) for row in windows] == [("unknown", "unknown"), ("unknowns", "Ünknown")]
    rows = await nights.database.fetch("SELECT country FROM transactions ORDER BY source_offset LIMIT 3")
    assert [row["country"] for row in rows] == names, "rows stay as they came"


async def _require_306(client: httpx.AsyncClient, country: str) -> None:
    for path, query, lines, figure in _BY_COUNTRY:
        got = await answered(client, f"{_V1}/{path}", country=country, **query)
        assert _sum(got[lines], figure) == _ALL, (path, query)
    of_category = await answered(client, f"{_V1}/products/performance", category=country)
    assert _sum(of_category["products"], "revenue") == _ALL
    for period in ({}, _PIECE):
        totals = await answered(client, f"{_V1}/sales/metrics", country=country, **period)
        assert totals["total_revenue"] == _ALL
        for group in ("category", "country"):
            given = {"group_by": group, "country": country, **period}
            lines_of = (await answered(client, f"{_V1}/sales/breakdown", **given))["groups"]
            assert [(line["key"], line["revenue"]) for line in lines_of] == [("unknown", _ALL)]
    assert (await answered(client, f"{_V1}/funnel", country=country))["revenue"] == _ALL


async def test_the_minute_that_runs_and_anomalies_know_it_too(nights: Nights) -> None:
    spellings = [None, "unknown", " Unknown ", ""]
    rows = [
        order(number, user_id=f"u{number}", amount_cents=600_000, country=name, category=name)
        for number, name in enumerate(spellings)
    ]
    await store(nights.database, rows)
    async with client_of(create_app(nights.settings, now=lambda: NOON)) as client:
        live = await answered(client, f"{_V1}/live/revenue")
        found = await answered(client, f"{_V1}/anomalies", country="unknown")
        empty = await client.get(f"{_V1}/anomalies", params={"country": " "})
    line = {"revenue": Decimal("24000.00"), "transaction_count": 4}
    assert live["countries"] == [{"country": "unknown", **line}]
    assert live["categories"] == [{"category": "unknown", **line}]
    assert {each["transaction_id"] for each in found["anomalies"]} == {row.transaction_id for row in rows}
    assert (empty.status_code, empty.json()["errors"][0]["field"]) == (422, "country")


def _sum(lines: Iterable[Any], name: str) -> Decimal:
    return sum((Decimal(line[name]) for line in lines), Decimal(0))
