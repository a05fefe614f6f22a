"""Answers kept for a while: renewed behind the back of who asks, never given when too old."""

import asyncio
from datetime import timedelta

import pytest

from api.application import create_app
from api.cache import Cache
from api.stores import StoreDownError
from tests.api.serving import answered, client_of
from tests.api.shop import store
from tests.sink.chunk_slices import NOON, order
from tests.support.databases import Database


class _Clock:
    """Seconds a test moves on by hand."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


class _Store:
    """Counts how often it is asked; fails while `down`."""

    def __init__(self) -> None:
        self.asked = 0
        self.down = False

    async def __call__(self) -> int:
        self.asked += 1
        await asyncio.sleep(0)
        if self.down:
            raise StoreDownError("postgresql")
        return self.asked


@pytest.fixture
def clock() -> _Clock:
    return _Clock()


async def _settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_an_answer_is_renewed_without_anybody_waiting(clock: _Clock) -> None:
    kept, asks = Cache(9, 30, clock), _Store()
    assert await asyncio.gather(*(kept.get("q", asks) for _ in range(3))) == [1, 1, 1]
    clock.seconds = 29.9
    assert await kept.get("q", asks) == 1
    clock.seconds = 30
    assert [await kept.get("q", asks), await kept.get("q", asks)] == [1, 1]
    await _settled()
    assert await kept.get("q", asks) == 2
    clock.seconds = 90
    assert await kept.get("q", asks) == 3


async def test_failures_are_not_kept(clock: _Clock) -> None:
    kept, asks = Cache(9, 30, clock), _Store()
    asks.down = True
    with pytest.raises(StoreDownError):
        await kept.get("q", asks)
    asks.down = False
    assert await kept.get("q", asks) == 2
    clock.seconds, asks.down = 40, True
    assert await kept.get("q", asks) == 2
    await _settled()
    assert await kept.get("q", asks) == 2
    clock.seconds = 60
    with pytest.raises(StoreDownError):
        await kept.get("q", asks)


async def test_the_least_used_makes_room(clock: _Clock) -> None:
    kept, asks = Cache(2, 30, clock), _Store()
    assert [await kept.get(q, asks) for q in "abacab"] == [1, 2, 1, 3, 1, 4]


async def test_today_is_never_kept_and_late_orders_show_in_time(database: Database) -> None:
    clock = _Clock()
    app = create_app(database.settings, now=lambda: NOON, clock_seconds=clock)
    path, yesterday = "/api/v1/sales/breakdown", NOON - timedelta(days=1)
    await store(database, [order(0, timestamp=NOON), order(1, timestamp=yesterday)])
    async with client_of(app) as client:
        seen = []
        for number, seconds in ((2, 0), (4, 1), (6, 60)):
            clock.seconds = seconds
            got = await answered(client, path, start_date="2026-02-20")
            seen.append([each["transaction_count"] for each in got["groups"]])
            late = [order(number, timestamp=NOON), order(number + 1, timestamp=yesterday)]
            await store(database, late, start=number)
    assert seen == [[1, 1], [1, 2], [3, 3]]
