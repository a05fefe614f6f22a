"""Sales by day, hour, category and country against naive sums of the orders, over any period."""

from collections import defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from app.events.topics.transactions import TransactionRow
from tests.api.marts import mean
from tests.api.serving import answered, api_over
from tests.api.shop import Shop, label, revenue
from tests.sink.chunk_slices import NOON
from tests.support.databases import Database

PATH = "/api/v1/sales/breakdown"
_KEYS: dict[str, Callable[[TransactionRow], str]] = {
    "day": lambda order: f"{order.timestamp:%Y-%m-%d}",
    "hour": lambda order: f"{order.timestamp:%Y-%m-%dT%H}:00:00Z",
    "category": lambda order: label(order.category),
    "country": lambda order: label(order.country),
}


def _naive(orders: list[TransactionRow], group: str) -> list[dict[str, Any]]:
    members: defaultdict[str, list[TransactionRow]] = defaultdict(list)
    for order in orders:
        members[_KEYS[group](order)].append(order)
    lines = [
        {
            "key": key,
            "revenue": revenue(each),
            "transaction_count": len(each),
            "avg_order_value": mean(revenue(each), len(each)),
        }
        for key, each in members.items()
    ]
    if group in ("day", "hour"):
        return sorted(lines, key=lambda line: str(line["key"]))
    return sorted(lines, key=lambda line: (-_exact(line["revenue"]), line["key"]))


def _exact(value: object) -> Decimal:
    assert isinstance(value, Decimal)
    return value


def _period(random: Random) -> tuple[datetime, datetime]:
    """From seconds to weeks, at odd times and on the edges of units."""
    unit = timedelta(seconds=random.choice([1, 30, 60, 3600, 86_400, 86_400]))
    start = NOON - timedelta(days=random.randrange(41)) - unit * random.randrange(100)
    return start, start + unit * random.randrange(1, 29)


@pytest.mark.parametrize("group", list(_KEYS))
async def test_every_breakdown_is_exact(shop: Shop, group: str) -> None:
    random = Random(group)
    async with api_over(shop.database) as client:
        for _ in range(20):
            start, end = _period(random)
            country = random.choice([None, "UK", "unknown"])
            query = {"start_date": start.isoformat(), "end_date": end.isoformat()}
            query |= {} if country is None else {"country": country}
            meant = [
                order
                for order in (shop.orders if country is None else shop.where(country=country))
                if start <= order.timestamp < end
            ]
            got = await answered(client, PATH, group_by=group, **query)
            assert got["groups"] == _naive(meant, group), query


async def test_everything_by_country(shop: Shop) -> None:
    async with api_over(shop.database) as client:
        got = await answered(client, PATH, group_by="country")
    assert got == {
        "group_by": "country",
        "groups": _naive(shop.orders, "country"),
        "period": {"start": "2026-01-20", "end": "2026-03-01"},
    }


async def test_hours_of_too_many_days_are_refused(shop: Shop) -> None:
    async with api_over(shop.database) as client:
        refused = await client.get(PATH, params={"group_by": "hour"})
        got = await answered(client, PATH, group_by="hour", start_date="2026-02-01")
    assert refused.status_code == 422
    assert [each["field"] for each in refused.json()["errors"]] == ["group_by"]
    meant = [o for o in shop.orders if o.timestamp.isoformat() >= "2026-02-01"]
    assert got["groups"] == _naive(meant, "hour")


async def test_panes_that_do_not_divide_a_minute_are_not_used(shop: Shop) -> None:
    """Other windows are a setting; then rows are read instead."""
    async with shop.database.owner() as owner:
        await owner.execute("UPDATE stream_windows SET step_seconds = 45")
        await owner.execute("DELETE FROM sales_panes")
    query = {"start_date": "2026-02-28T10:30:00", "end_date": "2026-03-01"}
    meant = [o for o in shop.orders if o.timestamp.isoformat() >= "2026-02-28T10:30"]
    async with api_over(shop.database) as client:
        got = await answered(client, PATH, group_by="category", **query)
    assert got["groups"] == _naive(meant, "category")


@pytest.mark.parametrize("group", list(_KEYS))
async def test_a_shop_without_orders_has_no_lines(database: Database, group: str) -> None:
    async with api_over(database) as client:
        got = await answered(client, PATH, group_by=group)
    assert got == {"group_by": group, "groups": [], "period": {"start": None, "end": None}}
