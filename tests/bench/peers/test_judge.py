"""The judge counts what is missing and what is twice, row by row, and accepts what is whole."""

import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

import asyncpg
import pytest

from tests.bench.peers.contenders import SCHEMA
from tests.bench.peers.judge import Difference, Tables, Window, compare, judge, raised, window_counts
from tests.bench.peers.latency import latencies
from tests.bench.peers.sent import SentOrder, parse
from tests.support.databases import Database, database

__all__ = ["database"]

_NOON: Final = datetime(2026, 11, 30, 12, tzinfo=UTC)
_TABLES: Final = Tables("peer_transactions", "peer_sales_metrics", "peer_anomalies")


def _order(number: int, **changes: object) -> SentOrder:
    order = SentOrder(f"t{number}", _NOON + timedelta(seconds=10 * number), Decimal("9.99"), "books", "UK", 1, number)
    return replace(order, **changes)  # type: ignore[arg-type]


#: The last one is sent twice.
_SENT: Final = [*(_order(number) for number in range(8)), _order(8, amount=Decimal(5001), quantity=12), _order(7)]


async def _store(connection: asyncpg.Connection, orders: list[SentOrder]) -> None:
    await connection.executemany(
        "INSERT INTO peer_transactions (transaction_id, user_id, timestamp, total_amount, quantity) "
        "VALUES ($1, 'u', $2, $3, $4)",
        [(order.transaction_id, order.timestamp, order.amount, order.quantity) for order in orders],
    )
    await connection.executemany(
        "INSERT INTO peer_sales_metrics VALUES ($1, $1::TIMESTAMPTZ + interval '60 seconds', $2, $3, 0, $4)",
        [(*window, count) for window, count in window_counts(orders).items()],
    )
    await connection.executemany(
        "INSERT INTO peer_anomalies VALUES ($1, $2, 'u', 0, $3)",
        [(transaction_id, kind, _NOON) for transaction_id, kind in raised(orders)],
    )


async def test_whole_tables_have_nothing_missing_and_nothing_twice(database: Database) -> None:
    async with database.owner() as connection:
        await connection.execute(SCHEMA.read_text())
        await _store(connection, _SENT[:9])
        verdict = await judge(connection, _TABLES, _SENT)
    assert verdict.rows == Difference(expected=9, missing=0, surplus=0)
    assert verdict.window_counts == Difference(expected=18, missing=0, surplus=0)
    assert verdict.anomalies == Difference(expected=2, missing=0, surplus=0)


async def test_losses_and_repetitions_are_counted_apart(database: Database) -> None:
    async with database.owner() as connection:
        await connection.execute(SCHEMA.read_text())
        await connection.execute("ALTER TABLE peer_transactions DROP CONSTRAINT peer_transactions_pkey")
        await _store(connection, [*_SENT[:7], _SENT[0]])
        verdict = await judge(connection, _TABLES, _SENT)
    assert verdict.rows == Difference(expected=9, missing=2, surplus=1)
    assert verdict.window_counts == Difference(expected=18, missing=4, surplus=2)
    assert verdict.anomalies == Difference(expected=2, missing=2, surplus=0)


async def test_what_was_never_sent_is_surplus(database: Database) -> None:
    async with database.owner() as connection:
        await connection.execute(SCHEMA.read_text())
        await _store(connection, [*_SENT[:9], _order(100)])
        verdict = await judge(connection, _TABLES, _SENT)
    assert verdict.rows == Difference(expected=9, missing=0, surplus=1)
    assert verdict.window_counts == Difference(expected=18, missing=0, surplus=2)


def test_a_surplus_never_hides_a_loss() -> None:
    assert compare({"a": 1, "b": 2}, {"b": 1, "c": 3}) == Difference(expected=3, missing=2, surplus=3)


@pytest.mark.parametrize(
    ("second", "starts"), [(0, (-30, 0)), (29, (-30, 0)), (30, (0, 30)), (59, (0, 30)), (60, (30, 60))]
)
def test_an_order_belongs_to_the_two_windows_that_hold_its_second(second: int, starts: tuple[int, int]) -> None:
    order = _order(1, timestamp=_NOON + timedelta(seconds=second, microseconds=999_999))
    expected: Counter[Window] = Counter({(_NOON + timedelta(seconds=start), "books", "UK"): 1 for start in starts})
    assert window_counts([order]) == expected


def test_rules_of_one_order() -> None:
    at_the_limit = _order(1, amount=Decimal("5000.00"), quantity=9)
    above = _order(2, amount=Decimal("5000.01"), quantity=10)
    assert raised([at_the_limit, above]) == Counter({("t2", "high_value"): 1, ("t2", "unusual_quantity"): 1})


def test_a_record_is_read_in_every_form_the_generator_sends() -> None:
    fields = {
        "transaction_id": "t1",
        "timestamp": "2026-11-30T12:00:00.5",
        "total_amount": "12.3450",
        "category": "toys",
    }
    order = parse(json.dumps(fields).encode(), {"sent_at_ms": b"17"})
    assert order == SentOrder("t1", _NOON.replace(microsecond=500_000), Decimal("12.35"), "toys", None, 1, 17)
    assert parse(json.dumps(fields | {"total_amount": 12.345}).encode(), {}).amount == Decimal("12.35")


def test_latency_is_of_the_first_sending_and_names_what_was_not_stored() -> None:
    sent = [_order(1, sent_at_ms=1_000), _order(1, sent_at_ms=3_000), _order(2, sent_at_ms=1_000), _order(3)]
    measured = latencies(sent, {"t1": 1_250.0, "t2": 2_000.0, "t9": 9_000.0}, cores=0.5)
    assert (measured.orders, measured.not_stored) == (3, 1)
    assert (measured.p50, measured.p99, measured.longest, measured.cores) == (0.25, 1.0, 1.0, 0.5)


def test_latency_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="nothing that was sent has been stored"):
        latencies([_order(1)], {}, cores=0.0)
