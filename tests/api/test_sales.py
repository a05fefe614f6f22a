"""Sales figures against naive sums of the orders, to the cent, over any period."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from random import Random

import pytest

from tests.api.serving import answered, api_over
from tests.api.shop import Shop, revenue
from tests.sink.chunk_slices import NOON
from tests.support.databases import Database

PATH = "/api/v1/sales/metrics"


def _some_periods(random: Random) -> list[tuple[datetime, datetime]]:
    """Periods from microseconds to weeks, some on the edges of units and of orders."""
    units = [timedelta(microseconds=1), timedelta(seconds=1), timedelta(minutes=1)]
    units += [timedelta(hours=1), timedelta(days=1)]
    periods = []
    for _ in range(60):
        unit, length = random.choice(units), random.choice(units)
        start = NOON - timedelta(days=random.randrange(41)) - unit * random.randrange(100)
        periods.append((start, start + length * random.randrange(40)))
    return periods


async def test_every_period_is_exact(shop: Shop) -> None:
    async with api_over(shop.database) as client:
        for start, end in _some_periods(Random(3)):
            query = {"start_date": start.isoformat(), "end_date": end.isoformat()}
            meant = [order for order in shop.orders if start <= order.timestamp < end]
            got = await answered(client, PATH, **query)
            assert (got["total_revenue"], got["total_transactions"]) == (revenue(meant), len(meant)), query


@pytest.mark.parametrize("country", [None, "USA", "unknown", "Atlantis"])
async def test_the_guides_fields(shop: Shop, country: str | None) -> None:
    meant = shop.where(country=country) if country else shop.orders
    async with api_over(shop.database) as client:
        got = await answered(client, PATH, **({"country": country} if country else {}))
    total, count = revenue(meant), len(meant)
    mean = (total / count).quantize(Decimal("0.01"), ROUND_HALF_UP) if count else None
    assert got == {
        "total_revenue": total,
        "total_transactions": count,
        "avg_order_value": mean,
        "period": {"start": "2026-01-20", "end": "2026-03-01"},
    }


DATE_RULES: list[tuple[dict[str, str], Callable[[datetime], bool], tuple[str, str]]] = [
    (
        {"start_date": "2026-02-01", "end_date": "2026-02-03"},
        lambda at: "2026-02-01" <= at.isoformat() < "2026-02-04",
        ("2026-02-01", "2026-02-03"),
    ),
    (
        {"start_date": "2026-02-28T12:00:00"},
        lambda at: at >= NOON - timedelta(days=1),
        ("2026-02-28T12:00:00Z", "2026-03-01"),
    ),
    (
        {"end_date": "2026-02-28T12:00:00Z"},
        lambda at: at < NOON - timedelta(days=1),
        ("2026-01-20", "2026-02-28T12:00:00Z"),
    ),
    (
        {"start_date": "2026-02-28T13:00:00+01:00", "end_date": "2026-03-01"},
        lambda at: at >= NOON - timedelta(days=1),
        ("2026-02-28T12:00:00Z", "2026-03-01"),
    ),
]


@pytest.mark.parametrize(("query", "counts", "shown"), DATE_RULES)
async def test_the_rules_of_dates(
    shop: Shop, query: dict[str, str], counts: Callable[[datetime], bool], shown: tuple[str, str]
) -> None:
    meant = [order for order in shop.orders if counts(order.timestamp)]
    assert 0 < len(meant) < len(shop.orders)
    async with api_over(shop.database) as client:
        got = await answered(client, PATH, **query)
    assert (got["total_revenue"], got["total_transactions"]) == (revenue(meant), len(meant))
    assert tuple(got["period"].values()) == shown


async def test_a_shop_without_orders(database: Database) -> None:
    async with api_over(database) as client:
        got = await answered(client, PATH)
    assert got == {
        "total_revenue": 0,
        "total_transactions": 0,
        "avg_order_value": None,
        "period": {"start": None, "end": None},
    }
