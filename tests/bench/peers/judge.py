"""What a contender has lost and what it has counted twice, by comparing its tables with what was sent."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import asyncpg

from tests.bench.peers.sent import SentOrder

Window = tuple[datetime, str | None, str | None]

_WINDOW_SECONDS: Final = 60
_STEP_SECONDS: Final = 30
_HIGH_VALUE: Final = Decimal(5000)
_UNUSUAL_QUANTITY: Final = 10


@dataclass(frozen=True, slots=True)
class Tables:
    """The names of a contender's tables or views."""

    rows: str
    windows: str
    anomalies: str


@dataclass(frozen=True, slots=True)
class Difference:
    """How many were expected, how many of them are missing, and how many are there that should not be."""

    expected: int
    missing: int
    surplus: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """Orders as rows, orders in the counts of their windows (two each), anomalies of the stateless rules."""

    rows: Difference
    window_counts: Difference
    anomalies: Difference


async def judge(connection: asyncpg.Connection, tables: Tables, sent: Iterable[SentOrder]) -> Verdict:
    """Compare the tables with the orders sent, each of which counts once however often it was sent."""
    orders = first_sent(sent)
    rows = await connection.fetch(f"SELECT transaction_id, count(*) FROM {tables.rows} GROUP BY 1")
    windows = await connection.fetch(f"SELECT window_start, category, country, transaction_count FROM {tables.windows}")
    anomalies = await connection.fetch(
        f"SELECT transaction_id, anomaly_type, count(*) FROM {tables.anomalies} "
        "WHERE anomaly_type IN ('high_value', 'unusual_quantity') GROUP BY 1, 2"
    )
    return Verdict(
        compare(Counter(order.transaction_id for order in orders), {row[0]: row[1] for row in rows}),
        compare(window_counts(orders), {tuple(row)[:3]: row[3] for row in windows}),
        compare(raised(orders), {tuple(row)[:2]: row[2] for row in anomalies}),
    )


def compare(expected: Mapping[Any, int], stored: Mapping[Any, int]) -> Difference:
    """Add up what is missing and what is too much, key by key, so that one never hides the other."""
    differences = [stored.get(key, 0) - expected.get(key, 0) for key in expected.keys() | stored.keys()]
    missing = -sum(difference for difference in differences if difference < 0)
    surplus = sum(difference for difference in differences if difference > 0)
    return Difference(sum(expected.values()), missing, surplus)


def first_sent(sent: Iterable[SentOrder]) -> list[SentOrder]:
    """Each order as it was sent first."""
    orders: dict[str, SentOrder] = {}
    for order in sent:
        orders.setdefault(order.transaction_id, order)
    return list(orders.values())


def window_counts(orders: Iterable[SentOrder]) -> Counter[Window]:
    """How many orders belong to each window, category and country; windows are [start, end)."""
    counts: Counter[Window] = Counter()
    for order in orders:
        second = int(order.timestamp.timestamp())
        last = second - second % _STEP_SECONDS
        for start in range(last, second - _WINDOW_SECONDS, -_STEP_SECONDS):
            counts[datetime.fromtimestamp(start, order.timestamp.tzinfo), order.category, order.country] += 1
    return counts


def raised(orders: Iterable[SentOrder]) -> Counter[tuple[str, str]]:
    """The anomalies of the rules that need one order only."""
    anomalies: Counter[tuple[str, str]] = Counter()
    for order in orders:
        if order.amount > _HIGH_VALUE:
            anomalies[order.transaction_id, "high_value"] += 1
        if order.quantity >= _UNUSUAL_QUANTITY:
            anomalies[order.transaction_id, "unusual_quantity"] += 1
    return anomalies
