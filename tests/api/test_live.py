"""The last hour by minute against naive sums of the orders, at any second."""

from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest

from app.events.topics.transactions import TransactionRow
from tests.api.serving import answered, api_over
from tests.api.shop import label, revenue, store
from tests.sink.chunk_slices import NOON, order
from tests.support.databases import Database

PATH = "/api/v1/live/minutes"
_MINUTE = timedelta(minutes=1)


def _orders() -> list[TransactionRow]:
    """Orders from 70 minutes before noon to 5 minutes after it, some on the edge of a minute, many anomalous."""
    random = Random(11)
    seconds: list[float] = [random.randrange(-4200, 300) for _ in range(300)]
    seconds += [-3600 - 1e-6, -3600, -60, -1e-6, 0, 59.5, 60]
    return [
        order(
            n,
            user_id=f"u{n}",
            timestamp=NOON + timedelta(seconds=at),
            amount_cents=random.choice([1, 1999, 500_001]),
            quantity=random.choice([1, 1, 10]),
            country=random.choice(["UK", "USA", None, " Unknown"]),
        )
        for n, at in enumerate(sorted(seconds))
    ]


def _naive(orders: list[TransactionRow], now: datetime) -> list[dict[str, Any]]:
    running = now.replace(second=0, microsecond=0)
    lines = []
    for start in (running - n * _MINUTE for n in range(60, -1, -1)):
        found = [each for each in orders if start <= each.timestamp < start + _MINUTE]
        lines.append(
            {
                "start": f"{start:%Y-%m-%dT%H:%M:%SZ}",
                "revenue": revenue(found),
                "transaction_count": len(found),
                "anomalies": sum((each.amount_cents > 500_000) + (each.quantity >= 10) for each in found),
                "partial": start == running,
            }
        )
    return lines


@pytest.mark.parametrize("seconds", [0, 17.25, 59.999999])
async def test_every_minute_of_the_last_hour_is_exact(database: Database, seconds: float) -> None:
    orders = _orders()
    await store(database, *(orders[start::3] for start in range(3)))
    now = NOON + timedelta(seconds=seconds)
    async with api_over(database, now) as client:
        for country in (None, "UK", "unknown", "Atlantis"):
            meant = [each for each in orders if country in (None, label(each.country))]
            got = await answered(client, PATH, **({} if country is None else {"country": country}))
            assert got["minutes"] == _naive(meant, now), country
            assert got["as_of"] == f"{now:%Y-%m-%dT%H:%M:%SZ}"
            assert got["last_event_at"] == f"{orders[-1].timestamp:%Y-%m-%dT%H:%M:%SZ}"
    if seconds:
        assert sum(line["anomalies"] for line in _naive(orders, now)) > 50


async def test_a_late_order_changes_its_minute(database: Database) -> None:
    await store(database, [order(0, timestamp=NOON)])
    async with api_over(database, NOON) as client:
        before = (await answered(client, PATH))["minutes"]
    await store(database, [order(1, timestamp=NOON - 7.5 * _MINUTE, amount_cents=12_345)], start=1)
    async with api_over(database, NOON) as client:
        after = (await answered(client, PATH))["minutes"]
    changed = [new for old, new in zip(before, after, strict=True) if old != new]
    assert [(each["start"], str(each["revenue"])) for each in changed] == [("2026-03-01T11:52:00Z", "123.45")]


async def test_without_orders_every_minute_is_there_and_empty(database: Database) -> None:
    async with api_over(database, NOON) as client:
        got = await answered(client, PATH)
    assert (got["minutes"], got["last_event_at"]) == (_naive([], NOON), None)


async def test_an_answer_is_kept_for_its_second_and_its_country_only(database: Database) -> None:
    """Many dashboards ask the same at once; nobody waits for what is asked only later."""
    await store(database, [order(0, timestamp=NOON, country="UK")])
    async with api_over(database, NOON) as client:
        first = await answered(client, PATH)
        await store(database, [order(1, timestamp=NOON, country="UK")], start=1)
        assert await answered(client, PATH) == first
        assert (await answered(client, PATH, country="UK"))["minutes"][-1]["transaction_count"] == 2
