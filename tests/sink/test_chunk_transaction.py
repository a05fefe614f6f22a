"""One transaction per chunk: what it stores, what it refuses, what it leaves alone."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import asyncpg
import pytest

from app.domain.timestamps import EPOCH, MICROSECOND
from app.events.topics.cart_events import CartEventRow
from app.events.topics.product_views import ProductViewRow
from app.events.topics.system_metrics import SystemMetricRow
from app.events.topics.transactions import TransactionRow
from app.reconcile.stream.json_values import stored_kafka_us
from app.sink import ledger
from app.sink.chunk_transaction import FencedError
from app.sink.ledger import Counts
from app.sink.tables import STORED_TOPICS, StoredTopic
from tests.sink.chunk_slices import NOON, Sink, letter, order, work_of
from tests.support.databases import Database


async def _ledger(database: Database, partition: int = 0) -> dict[str, object]:
    rows = await database.fetch("SELECT * FROM stream_progress WHERE partition = $1", partition)
    return dict(rows[0])


async def _ids(database: Database) -> dict[str, tuple[int, int]]:
    rows = await database.fetch("SELECT * FROM transactions")
    return {row["transaction_id"]: (row["source_partition"], row["source_offset"]) for row in rows}


async def test_an_order_is_stored_as_it_came(database: Database) -> None:
    row = order(7, amount_cents=999_999_999_999, quantity=3, country=None, session_id=None)
    async with database.worker(STORED_TOPICS["transactions"]) as connection:
        result = await Sink(connection).commit(work_of([row], partition=4, start=0))
    assert result.counts == Counts(stored=1)
    (stored,) = await database.fetch("SELECT * FROM transactions")
    assert dict(stored) | {"created_at": None} == {
        "transaction_id": "t000007",
        "user_id": "ada",
        "timestamp": NOON,
        "total_amount": Decimal("9999999999.99"),
        "category": "Books",
        "country": None,
        "payment_method": "card",
        "quantity": 3,
        "product_id": "p1",
        "session_id": None,
        "card": None,
        "device": None,
        "ip": None,
        "email": None,
        "source_partition": 4,
        "source_offset": 7,
        "created_at": None,
    }


async def test_dead_letters_keep_the_raw_record(database: Database) -> None:
    async with database.worker(STORED_TOPICS["transactions"]) as connection:
        await Sink(connection).commit(work_of([order(0)], letters=[letter(1), letter(2)]))
    rows = await database.fetch("SELECT * FROM dead_letters ORDER BY source_offset")
    assert [row["source_offset"] for row in rows] == [1, 2]
    first = dict(rows[0])
    assert (first["source_topic"], first["source_partition"]) == ("transactions", 0)
    assert (first["key"], first["value"]) == (b"key", b"\x00raw\xff")
    assert (first["reason"], first["detail"]) == ("malformed_json", "broken")
    assert (first["stage"], first["kafka_time"]) == ("decode", NOON)
    assert (await _ledger(database))["dead_lettered"] == 2


@pytest.mark.parametrize(
    ("time_ms", "kept"),
    [(10**17, "9999-12-31T23:59:59"), (-(10**17), "0001-01-01T00:00:01"), (-1, "1969-12-31T23:59:59.999")],
)
async def test_a_dead_letter_of_any_kafka_time_is_kept(database: Database, time_ms: int, kept: str) -> None:
    async with database.worker(STORED_TOPICS["transactions"]) as connection:
        strange = letter(0)._replace(kafka_time_ms=time_ms)
        await Sink(connection).commit(work_of([], letters=[strange]))
    (row,) = await database.fetch("SELECT kafka_time FROM dead_letters")
    assert row["kafka_time"] == datetime.fromisoformat(kept).replace(tzinfo=UTC)
    assert stored_kafka_us(time_ms) == (row["kafka_time"] - EPOCH) // MICROSECOND


async def test_the_lowest_offset_of_an_id_wins_within_a_chunk(database: Database) -> None:
    rows = [
        order(0, transaction_id="same", amount_cents=1),
        order(1, transaction_id="other"),
        order(2, transaction_id="same", amount_cents=2),
        order(3, transaction_id="same", amount_cents=1),
    ]
    async with database.worker(STORED_TOPICS["transactions"]) as connection:
        result = await Sink(connection).commit(work_of(rows))
    assert result.counts == Counts(stored=2, duplicates=2, conflicting=1)
    assert [row.source_offset for row in result.rows] == [0, 1]
    assert await _ids(database) == {"same": (0, 0), "other": (0, 1)}


CHANGES: list[tuple[dict[str, object], bool]] = [
    ({}, False),
    ({"amount_cents": 2000}, True),
    ({"category": None}, True),
    ({"country": "USA"}, True),
    ({"timestamp": NOON + timedelta(microseconds=1)}, True),
    ({"user_id": "bob"}, True),
    ({"quantity": 2}, True),
    ({"session_id": None}, True),
]


async def test_the_first_to_commit_stays(database: Database) -> None:
    async with database.worker(STORED_TOPICS["transactions"]) as connection:
        sink = Sink(connection)
        await sink.commit(work_of([order(0, transaction_id="same")]))
        for start, (change, conflicting) in enumerate(CHANGES):
            for partition, offset in ((0, start + 1), (1, start)):
                again = order(offset, transaction_id="same", **change)
                result = await sink.commit(work_of([again], partition=partition))
                assert result.counts == Counts(duplicates=1, conflicting=conflicting), change
                assert list(result.rows) == []
    (stored,) = await database.fetch("SELECT total_amount, category, country FROM transactions")
    assert tuple(stored) == (Decimal("19.99"), "Books", "UK")
    (pane,) = await database.fetch("SELECT total_amount, transaction_count FROM sales_panes")
    assert tuple(pane) == (Decimal("19.99"), 1)


async def test_missing_values_in_both_are_no_conflict(database: Database) -> None:
    rows = [order(n, transaction_id="same", category=None, country=None) for n in range(2)]
    async with database.worker(STORED_TOPICS["transactions"]) as connection:
        result = await Sink(connection).commit(work_of(rows))
    assert result.counts == Counts(stored=1, duplicates=1)


async def test_the_fence_refuses_any_other_start(database: Database) -> None:
    async with database.worker(STORED_TOPICS["transactions"]) as connection:
        sink = Sink(connection)
        await sink.commit(work_of([order(0), order(1)]))
        state = await sink.state(0)
        before = await _ledger(database)
        for start in (0, 1, 3, 100):
            with pytest.raises(FencedError):
                await sink.commit(work_of([order(200)], letters=[letter(201)], start=start), state)
            assert await connection.fetchval("SELECT count(*) FROM stage_transactions") == 0
    assert await _ledger(database) == before
    assert len(await _ids(database)) == 2
    assert await database.fetch("SELECT 1 FROM dead_letters") == []


async def test_a_partition_without_a_ledger_is_fenced(database: Database) -> None:
    async with database.worker(STORED_TOPICS["transactions"]) as connection:
        sink = Sink(connection)
        state = await sink.state(0)
        with pytest.raises(FencedError):
            await sink.commit(work_of([order(0)], partition=3), state)


async def test_one_of_two_that_race_for_a_chunk_wins(database: Database) -> None:
    work = work_of([order(n) for n in range(50)], letters=[letter(50)])
    async with (
        database.worker(STORED_TOPICS["transactions"]) as one,
        database.worker(STORED_TOPICS["transactions"]) as two,
    ):
        sinks = [Sink(one), Sink(two)]
        states = [await sink.state(0) for sink in sinks]
        ends = await asyncio.gather(
            *(sink.commit(work, state) for sink, state in zip(sinks, states, strict=True)), return_exceptions=True
        )
    assert sorted(type(end).__name__ for end in ends) == ["CommitResult", "FencedError"]
    at = await _ledger(database)
    assert (at["consumed"], at["stored"], at["dead_lettered"]) == (51, 50, 1)
    (pane,) = await database.fetch("SELECT transaction_count FROM sales_panes")
    assert pane["transaction_count"] == 50


@pytest.mark.parametrize("size", [90, 300], ids=["arrays", "stage"])
async def test_equal_ids_in_two_partitions_do_not_deadlock(database: Database, size: int) -> None:
    rounds = 10
    async with (
        database.worker(STORED_TOPICS["transactions"]) as one,
        database.worker(STORED_TOPICS["transactions"]) as two,
    ):
        for number in range(rounds):
            ids = [f"{number:02}-{n:04}" for n in range(size)]
            start = number * size
            up = [order(start + n, transaction_id=ids[n]) for n in range(size)]
            down = [order(start + n, transaction_id=ids[-1 - n]) for n in range(size)]
            outcomes = await asyncio.gather(Sink(one).commit(work_of(up)), Sink(two).commit(work_of(down, partition=1)))
            assert sum(result.counts.stored for result in outcomes) == size
            assert sum(result.counts.duplicates for result in outcomes) == size
    assert len(await _ids(database)) == rounds * size


async def test_watermark_horizon_and_late_events_are_in_the_ledger(database: Database) -> None:
    minutes = [0, 30, 20, 19.99, 31]
    rows = [order(n, timestamp=NOON + timedelta(minutes=at)) for n, at in enumerate(minutes)]
    async with database.worker(STORED_TOPICS["transactions"]) as connection:
        sink = Sink(connection)
        first = await sink.commit(work_of(rows[:3]))
        second = await sink.commit(work_of(rows[3:]))
    assert (first.counts.late, second.counts.late) == (0, 1)
    at = await _ledger(database)
    assert (at["next_offset"], at["late"]) == (5, 1)
    assert at["watermark"] == NOON + timedelta(minutes=31)


async def test_duplicates_move_neither_watermark_nor_figures(database: Database) -> None:
    async with database.worker(STORED_TOPICS["transactions"]) as connection:
        sink = Sink(connection)
        await sink.commit(work_of([order(0, transaction_id="same")]))
        far = NOON + timedelta(days=1)
        await sink.commit(work_of([order(1, transaction_id="same", timestamp=far)]))
    assert (await _ledger(database))["watermark"] == NOON


async def test_the_ledger_refuses_figures_that_do_not_add_up(database: Database) -> None:
    async with database.worker() as connection:
        await ledger.open_partition(connection, "transactions", 0, 0)
        for change in ("stored = 1", "consumed = 1", "duplicates = 1, stored = -1, conflicting = 2"):
            with pytest.raises(asyncpg.CheckViolationError):
                await connection.execute(f"UPDATE stream_progress SET {change}")


async def test_rounded_and_assumed_utc_count_stored_events_only(database: Database) -> None:
    work = work_of([order(0, transaction_id="a"), order(1, transaction_id="a"), order(2)])
    work.decoded.rounded_offsets.extend([0, 1])
    work.decoded.assumed_utc_offsets.extend([1, 2])
    async with database.worker(STORED_TOPICS["transactions"]) as connection:
        await Sink(connection).commit(work)
    at = await _ledger(database)
    assert (at["rounded"], at["assumed_utc"], at["duplicates"]) == (1, 1, 1)


def _view(offset: int, event_id: str, category: str | None = None) -> ProductViewRow:
    return ProductViewRow(event_id, "ada", "s", NOON, "p", category, None, offset)


def _cart(offset: int, event_id: str, action: str = "add") -> CartEventRow:
    return CartEventRow(event_id, "ada", "s", NOON, "p", action, 1, None, None, offset)


def _metric(offset: int, host: str, value: float = 0.1) -> SystemMetricRow:
    return SystemMetricRow(host, "api", "cpu", NOON, value, offset)


@pytest.mark.parametrize(
    ("stored", "rows"),
    [
        (STORED_TOPICS["product_views"], [_view(0, "a"), _view(1, "b"), _view(2, "a"), _view(3, "b", "x")]),
        (STORED_TOPICS["cart_events"], [_cart(0, "a"), _cart(1, "b"), _cart(2, "a"), _cart(3, "b", "remove")]),
        (STORED_TOPICS["system_metrics"], [_metric(0, "a"), _metric(1, "b"), _metric(2, "a"), _metric(3, "b", 1)]),
    ],
    ids=lambda value: value.name if isinstance(value, StoredTopic) else "",
)
async def test_the_other_topics(database: Database, stored: StoredTopic, rows: list[TransactionRow]) -> None:
    async with database.worker(stored) as connection:
        result = await Sink(connection, stored).commit(work_of(rows, partition=2))
    assert result.counts == Counts(stored=2, duplicates=2, conflicting=1)
    kept = await database.fetch(f"SELECT source_partition, source_offset FROM {stored.name}")
    assert sorted(map(tuple, kept)) == [(2, 0), (2, 1)]
