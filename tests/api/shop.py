"""A shop's orders, stored by the sink itself, and naive figures about them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from random import Random
from typing import Final

import pytest

from app.events.topics.transactions import TransactionRow
from app.sink.anomaly_detector import AnomalyDetector
from app.sink.tables import STORED_TOPICS
from tests.sink.chunk_slices import NOON, Sink, order, work_of
from tests.support.databases import Database

JUDGED_AT: Final = NOON + timedelta(days=1, microseconds=5)
DAYS: Final = 40


@dataclass(frozen=True)
class Shop:
    """Orders of the 40 days before noon of 2026-03-01, in a database."""

    database: Database
    orders: list[TransactionRow]

    def where(self, country: str) -> list[TransactionRow]:
        """Orders that count under a country."""
        return [order for order in self.orders if label(order.country) == country]


def label(name: str | None) -> str:
    """What orders with this category or country count under."""
    return name if name is not None and name.strip().lower() not in ("", "unknown") else "unknown"


def revenue(orders: Iterable[TransactionRow]) -> Decimal:
    """Exact sum of the amounts."""
    return Decimal(sum(order.amount_cents for order in orders)).scaleb(-2)


@pytest.fixture
async def shop(database: Database) -> Shop:
    """A database with orders at odd times, of odd amounts, some without category or country."""
    return await filled(database)


async def filled(database: Database) -> Shop:
    """The same for a database of another fixture."""
    orders = _orders(Random(5))
    await store(database, *(orders[start::3] for start in range(3)))
    return Shop(database, orders)


async def store(database: Database, *partitions: list[TransactionRow], start: int = 0) -> None:
    """Commit orders, a list per partition; their offsets are given here, from `start` on."""
    async with database.worker(STORED_TOPICS["transactions"]) as connection:
        sink = Sink(connection, detector=AnomalyDetector(lambda: JUDGED_AT))
        for partition, rows in enumerate(partitions):
            numbered = [row._replace(source_offset=start + n) for n, row in enumerate(rows)]
            await sink.commit(work_of(numbered, partition=partition))


def _orders(random: Random) -> list[TransactionRow]:
    span_us = DAYS * 86_400_000_000
    times = [random.randrange(span_us) for _ in range(900)]
    times += [day * 86_400_000_000 for day in range(DAYS)]  # on the edge of a noon
    times += [hour * 3_600_000_000 for hour in range(24)]
    return [
        order(
            n,
            user_id=f"u{random.randrange(40)}",
            timestamp=NOON - timedelta(microseconds=time_us),
            amount_cents=random.choice([0, 1, 999_999_999_999, random.randrange(10**6)]),
            quantity=random.choice([1, 2, 9, 10]),
            category=random.choice(["Books", "Toys", "Garden", None, "unknown", " "]),
            country=random.choice(["UK", "USA", None, "Unknown", ""]),
        )
        for n, time_us in enumerate(sorted(times, reverse=True))
    ]
