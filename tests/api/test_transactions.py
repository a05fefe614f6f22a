"""One order with its anomalies, names to filter by, and the live figures."""

from collections import defaultdict
from datetime import timedelta
from decimal import Decimal

import pytest

from app.events.topics.transactions import TransactionRow
from tests.api.serving import answered, api_over
from tests.api.shop import Shop, revenue, store
from tests.sink.chunk_slices import NOON, order
from tests.support.databases import Database


async def test_an_order_as_it_was_stored(database: Database) -> None:
    stored = order(0, transaction_id="a/b c", amount_cents=500_001, quantity=10, country=None, session_id=None)
    await store(database, [stored])
    async with api_over(database) as client:
        got = dict(await answered(client, "/api/v1/transactions/a%2Fb%20c"))
        pages = await answered(client, "/api/v1/anomalies")
    raised = got.pop("anomalies")
    assert got == {
        "transaction_id": "a/b c",
        "user_id": "ada",
        "timestamp": "2026-03-01T12:00:00Z",
        "total_amount": Decimal("5000.01"),
        "category": "Books",
        "country": None,
        "payment_method": "card",
        "quantity": 10,
        "product_id": "p1",
        "session_id": None,
    }
    assert [each["anomaly_type"] for each in raised] == ["high_value", "unusual_quantity"]
    key = "anomaly_type"
    assert sorted(pages["anomalies"], key=lambda each: str(each[key])) == raised


async def test_an_unknown_order_is_404(database: Database) -> None:
    async with api_over(database) as client:
        response = await client.get("/api/v1/transactions/nobody")
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"


async def test_the_dimensions_are_those_that_occur(shop: Shop) -> None:
    async with api_over(shop.database) as client:
        got = await answered(client, "/api/v1/dimensions")
    assert got == {
        "countries": ["UK", "USA", "unknown"],
        "categories": ["Books", "Garden", "Toys", "unknown"],
        "days": {"first": "2026-01-20", "last": "2026-03-01"},
    }


async def test_without_orders_there_are_no_dimensions(database: Database) -> None:
    async with api_over(database) as client:
        got = await answered(client, "/api/v1/dimensions")
    assert got == {"countries": [], "categories": [], "days": {"first": None, "last": None}}


def _live_orders() -> list[TransactionRow]:
    """Orders around the edges of the minute that ends at noon."""
    seconds = [-61, -60, -60 + 1e-6, -59.5, -30, -30, -1, 0, 1e-6, 1, 200]
    names = [("Books", "UK"), ("Toys", None), (None, "UK"), ("Books", "USA")]
    return [
        order(
            n,
            timestamp=NOON + timedelta(seconds=at),
            amount_cents=10**n + 1,
            category=names[n % 4][0],
            country=names[n % 4][1],
        )
        for n, at in enumerate(seconds)
    ]


def _sums(orders: list[TransactionRow], column: str) -> list[dict[str, object]]:
    groups = defaultdict(list)
    for each in orders:
        groups[getattr(each, column) or "unknown"].append(each)
    lines = [
        {column: name, "revenue": revenue(group), "transaction_count": len(group)} for name, group in groups.items()
    ]
    return sorted(lines, key=lambda line: -revenue(groups[line[column]]))


@pytest.mark.parametrize("micros", [0, 1, 999_999])
async def test_live_revenue_is_that_of_the_last_minute(database: Database, micros: int) -> None:
    orders = _live_orders()
    await store(database, orders)
    now = NOON + timedelta(microseconds=micros)
    counted = [o for o in orders if NOON - timedelta(seconds=60) < o.timestamp <= NOON]
    async with api_over(database, now) as client:
        got = await answered(client, "/api/v1/live/revenue")
    assert got == {
        "as_of": "2026-03-01T12:00:00Z",
        "window_seconds": 60,
        "last_event_at": "2026-03-01T12:03:20Z",
        "total_revenue": revenue(counted),
        "total_transactions": 6,
        "categories": _sums(counted, "category"),
        "countries": _sums(counted, "country"),
    }


async def test_a_quiet_stream_falls_to_zero(database: Database) -> None:
    await store(database, _live_orders())
    async with api_over(database, NOON + timedelta(hours=1)) as client:
        got = await answered(client, "/api/v1/live/revenue")
    assert (got["total_revenue"], got["categories"], got["countries"]) == (0, [], [])
    assert got["last_event_at"] == "2026-03-01T12:03:20Z"
