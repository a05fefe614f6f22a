"""Committing for certain: bad records stand alone, a store in trouble is waited for, a bug is raised."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import pytest
from faust.types import TP
from prometheus_client import CollectorRegistry

from app.domain.timestamps import EPOCH, MICROSECOND
from app.events.rows import DecodedRecords
from app.events.topics.transactions import TransactionRow
from app.kafka.chunks import Chunk
from app.metrics import WorkerMetrics
from app.postgres.connections import connect_worker
from app.sink import ledger
from app.sink.chunk_slice import CommitResult
from app.sink.chunk_transaction import ChunkTransaction
from app.sink.connection import SinkConnection
from app.sink.fault_points import FaultPoint, NoFaults
from app.sink.tables import STORED_TOPICS
from app.stream.committer import ChunkCommitter
from app.stream.partition_loader import PartitionLoader
from app.stream.partitions import PartitionManager
from app.topics import TRANSACTIONS
from tests.sink.chunk_slices import MINUTE_US, PANE, order
from tests.stream.fakes import FakeApp, Listener
from tests.support.databases import Database


@dataclass
class Record:
    """A Kafka record as far as the sink looks at it."""

    offset: int
    timestamp: int = 1_770_000_000_000
    key: bytes | None = b"ada"
    value: bytes | None = b"{}"
    headers: list[tuple[str, bytes]] = field(default_factory=list)


class Terminating:
    """Ends the server process of the first transaction that reaches a point."""

    def __init__(self, database: Database, point: FaultPoint) -> None:
        self._database = database
        self._point: FaultPoint | None = point

    async def reached(self, point: FaultPoint, topic: str, connection: asyncpg.Connection) -> None:
        """Strike once."""
        if point is self._point:
            self._point = None
            await self._database.terminate(connection.get_server_pid())


PARTITIONS = [TP(TRANSACTIONS, number) for number in range(3)]


class Bench:
    """A committer of transactions over one connection, and its outcomes."""

    def __init__(self, database: Database, faults: Any) -> None:
        self.outcomes: list[CommitResult[TransactionRow]] = []
        self.app = FakeApp()
        self.metrics = CollectorRegistry()
        self.connection = self._connection(database)
        self.loading = self._connection(database)
        self.partitions = PartitionManager(
            self.app,
            PartitionLoader(self.loading, clock_us=lambda: 0),
            Listener(),
            WorkerMetrics(self.metrics),
            clock=lambda: 0.0,
            retry_max_seconds=0.1,
        )
        self.partitions.follow(TRANSACTIONS, lambda state, result: self.outcomes.append(result))
        self.committer: ChunkCommitter[TransactionRow] = ChunkCommitter(
            ChunkTransaction(STORED_TOPICS["transactions"], pane=PANE, allowed_lateness_us=MINUTE_US, faults=faults),
            self.partitions,
            retry_max_seconds=0.1,
        )

    @property
    def failures(self) -> list[str]:
        """The errors of failed commits, by name."""
        samples = (sample for metric in self.metrics.collect() for sample in metric.samples)
        return [sample.labels["error"] for sample in samples if sample.name == "globalmart_sink_failures_total"]

    @staticmethod
    def _connection(database: Database) -> SinkConnection:
        return SinkConnection(
            lambda: connect_worker(database.postgres, "test"), (STORED_TOPICS["transactions"].create_stage,)
        )

    async def commit(self, rows: list[TransactionRow], start: int = 0) -> bool:
        """Commit the rows as one chunk of partition 0."""
        return await self.committer.commit(self.connection, *_chunk(rows, 0, start))

    async def commit_together(self, *chunks: tuple[int, list[TransactionRow]]) -> list[bool]:
        """Commit chunks of these partitions, each from its first row on."""
        made = [_chunk(rows, partition, rows[0].source_offset) for partition, rows in chunks]
        return await self.committer.commit_together(self.connection, made)


def _chunk(rows: list[TransactionRow], partition: int, start: int) -> tuple[Chunk, DecodedRecords[TransactionRow]]:
    records = [Record(row.source_offset) for row in rows]
    stamps = [(row.timestamp - EPOCH) // MICROSECOND for row in rows]
    decoded = DecodedRecords(rows=rows, timestamps_us=stamps)
    return Chunk(TRANSACTIONS, partition, start, records, 1, 1), decoded


@asynccontextmanager
async def bench(database: Database, faults: Any = None) -> AsyncIterator[Bench]:
    """A bench with the ledger of its partitions opened."""
    made = Bench(database, faults or NoFaults())
    made.partitions.assign(PARTITIONS)
    for partition in PARTITIONS:
        await ledger.open_partition(await made.loading.get(), TRANSACTIONS, partition.partition, 0)
    yield made
    await made.connection.close()
    await made.loading.close()


_REJECTING = """
CREATE FUNCTION reject() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.transaction_id LIKE 'bad%' THEN
        RAISE EXCEPTION 'rejected %', NEW.transaction_id USING ERRCODE = substr(NEW.transaction_id, 5);
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER reject BEFORE INSERT ON transactions FOR EACH ROW EXECUTE FUNCTION reject();"""


async def _offsets(database: Database, table: str) -> list[int]:
    rows = await database.fetch(f"SELECT source_offset FROM {table} ORDER BY 1")
    return [row["source_offset"] for row in rows]


@pytest.mark.parametrize("bad", [{0: "22000"}, {19: "23514"}, {3: "22000", 4: "23514", 17: "22P02"}], ids=str)
async def test_exactly_the_refused_records_become_dead_letters(database: Database, bad: dict[int, str]) -> None:
    rows = [order(n, transaction_id=f"bad-{bad[n]}" if n in bad else f"good-{n}") for n in range(20)]
    async with database.owner() as owner:
        await owner.execute(_REJECTING)
    async with bench(database) as bench_:
        assert await bench_.commit(rows)
        assert sum(len(result.rows) for result in bench_.outcomes) == 20 - len(bad)
        assert bench_.failures == []
    letters = await database.fetch("SELECT * FROM dead_letters ORDER BY source_offset")
    assert [(row["source_offset"], row["stage"], row["reason"]) for row in letters] == [
        (offset, "sink", "rejected_by_database") for offset in bad
    ]
    for row, sqlstate in zip(letters, bad.values(), strict=True):
        assert row["detail"] == f"{sqlstate}: rejected bad-{sqlstate}"
        assert (row["key"], row["value"]) == (b"ada", b"{}")
    assert await _offsets(database, "transactions") == [n for n in range(20) if n not in bad]
    (at,) = await database.fetch("SELECT * FROM stream_progress WHERE partition = 0")
    assert (at["next_offset"], at["consumed"], at["dead_lettered"]) == (20, 20, len(bad))


@pytest.mark.parametrize("size", [9, 150], ids=["arrays", "stage"])
async def test_a_value_that_cannot_be_encoded_stands_alone(database: Database, size: int) -> None:
    rows = [order(n, quantity=2**40 if n == 5 else 1) for n in range(size)]
    async with bench(database) as bench_:
        assert await bench_.commit(rows)
    assert await _offsets(database, "dead_letters") == [5]
    assert await _offsets(database, "transactions") == [n for n in range(size) if n != 5]


@pytest.mark.parametrize("point", list(FaultPoint))
async def test_a_session_killed_anywhere_commits_the_chunk_once(database: Database, point: FaultPoint) -> None:
    async with bench(database, Terminating(database, point)) as bench_:
        assert await bench_.commit([order(n) for n in range(10)])
        assert await bench_.commit([order(n) for n in range(10, 12)], start=10)
    assert await _offsets(database, "transactions") == list(range(12))
    (at,) = await database.fetch("SELECT * FROM stream_progress WHERE partition = 0")
    assert (at["next_offset"], at["stored"], at["duplicates"]) == (12, 12, 0)
    (pane,) = await database.fetch("SELECT sum(transaction_count) AS number FROM sales_panes")
    assert pane["number"] == 12


async def test_a_chunk_partly_done_is_cut_to_what_the_ledger_has_not_seen(database: Database) -> None:
    async with bench(database) as bench_:
        await bench_.commit([order(n) for n in range(5)])
        assert await bench_.commit([order(n) for n in range(8)])
        assert await bench_.commit([order(n) for n in range(8)])
    assert await _offsets(database, "transactions") == list(range(8))
    (at,) = await database.fetch("SELECT * FROM stream_progress WHERE partition = 0")
    assert (at["next_offset"], at["duplicates"]) == (8, 0)


async def test_a_chunk_beyond_the_ledger_is_not_taken(database: Database) -> None:
    async with bench(database) as bench_:
        assert not await bench_.commit([order(3)], start=3)
    assert await _offsets(database, "transactions") == []


async def test_somebody_else_moved_on(database: Database) -> None:
    """A zombie's state is behind the ledger: the fence throws it back, the ledger puts it right."""
    rows = [order(n) for n in range(6)]
    async with bench(database) as zombie, bench(database) as owner:
        await zombie.commit(rows[:2])
        await owner.commit(rows[2:4], start=2)
        assert await zombie.commit(rows[2:], start=2)
        assert zombie.failures == ["FencedError"]
    assert await _offsets(database, "transactions") == list(range(6))
    (at,) = await database.fetch("SELECT * FROM stream_progress WHERE partition = 0")
    assert (at["stored"], at["duplicates"]) == (6, 0)


async def test_a_revoked_chunk_is_given_up_while_the_store_is_in_trouble(database: Database) -> None:
    async with bench(database) as bench_, database.owner() as holder:
        await bench_.connection.get()
        connection = await bench_.connection.get()
        await connection.execute("SET lock_timeout = '50ms'")
        async with holder.transaction():
            await holder.execute("LOCK TABLE transactions")
            bench_.app.consumer.is_current = lambda chunk: not bench_.failures  # type: ignore[method-assign]
            assert not await bench_.commit([order(0)])
        assert bench_.failures == ["LockNotAvailableError"]


async def test_a_bug_is_raised(database: Database) -> None:
    async with database.owner() as owner:
        await owner.execute("DROP TABLE sales_daily")
    async with bench(database) as bench_:
        with pytest.raises(asyncpg.UndefinedTableError):
            await bench_.commit([order(0)])
    assert await _offsets(database, "transactions") == []


def _orders(partition: int, offsets: range, **fields: Any) -> list[TransactionRow]:
    return [order(offset, transaction_id=f"{partition}-{offset}", **fields) for offset in offsets]


async def _ledger(database: Database) -> dict[int, tuple[int, int, int, int]]:
    rows = await database.fetch("SELECT * FROM stream_progress")
    names = ("next_offset", "stored", "duplicates", "dead_lettered")
    return {row["partition"]: tuple(row[name] for name in names) for row in rows}


class Transactions:
    """Counts the transactions that begin and those that commit."""

    def __init__(self) -> None:
        self.begun = self.committed = 0

    async def reached(self, point: FaultPoint, topic: str, connection: asyncpg.Connection) -> None:
        """Count."""
        self.begun += point is FaultPoint.BEFORE_BEGIN
        self.committed += point is FaultPoint.AFTER_COMMIT


async def test_chunks_of_several_partitions_share_a_transaction(database: Database) -> None:
    transactions = Transactions()
    async with bench(database, transactions) as bench_:
        first, second, third = _orders(2, range(3)), _orders(0, range(4)), _orders(2, range(3, 5))
        assert await bench_.commit_together((2, first), (0, second), (2, third)) == [True] * 3
        assert {result.partition: len(result.rows) for result in bench_.outcomes} == {0: 4, 2: 5}
    assert (transactions.begun, transactions.committed) == (1, 1)
    assert await _ledger(database) == {0: (4, 4, 0, 0), 1: (0, 0, 0, 0), 2: (5, 5, 0, 0)}
    panes = await database.fetch("SELECT source_partition, transaction_count FROM sales_panes ORDER BY 1")
    assert [tuple(row) for row in panes] == [(0, 4), (2, 5)]


async def test_large_chunks_of_a_partition_share_a_transaction(database: Database) -> None:
    transactions = Transactions()
    async with bench(database, transactions) as bench_:
        chunks = (0, _orders(0, range(150))), (0, _orders(0, range(150, 151))), (0, _orders(0, range(151, 300)))
        assert await bench_.commit_together(*chunks) == [True] * 3
    assert (transactions.begun, transactions.committed) == (1, 1)
    assert (await _ledger(database))[0] == (300, 300, 0, 0)
    assert await _offsets(database, "transactions") == list(range(300))


async def test_an_id_in_two_partitions_of_a_transaction_is_stored_once(database: Database) -> None:
    same: Any = {"transaction_id": "same"}
    async with bench(database) as bench_:
        chunks = (1, [order(0, **same)]), (0, [order(0, **same), order(1, **same, amount_cents=1)])
        assert await bench_.commit_together(*chunks) == [True, True]
    (kept,) = await database.fetch("SELECT source_partition, source_offset FROM transactions")
    assert tuple(kept) == (0, 0)
    assert await _ledger(database) == {0: (2, 1, 1, 0), 1: (1, 0, 1, 0), 2: (0, 0, 0, 0)}
    (at,) = await database.fetch("SELECT sum(conflicting) AS conflicting FROM stream_progress")
    assert at["conflicting"] == 1


async def test_a_refused_record_stands_alone_among_the_partitions_of_a_transaction(database: Database) -> None:
    async with database.owner() as owner:
        await owner.execute(_REJECTING)
    async with bench(database) as bench_:
        bad = order(1, transaction_id="bad-22000")
        chunks = (0, _orders(0, range(3))), (1, [*_orders(1, range(1)), bad, *_orders(1, range(2, 4))])
        assert await bench_.commit_together(*chunks) == [True, True]
        assert bench_.failures == []
    assert await _ledger(database) == {0: (3, 3, 0, 0), 1: (4, 3, 0, 1), 2: (0, 0, 0, 0)}
    (letter,) = await database.fetch("SELECT source_partition, source_offset FROM dead_letters")
    assert tuple(letter) == (1, 1)


async def test_a_chunk_beyond_the_ledger_does_not_hold_up_the_others(database: Database) -> None:
    async with bench(database) as bench_:
        chunks = (0, _orders(0, range(3))), (1, _orders(1, range(5, 7))), (2, _orders(2, range(2)))
        assert await bench_.commit_together(*chunks) == [True, False, True]
    assert await _ledger(database) == {0: (3, 3, 0, 0), 1: (0, 0, 0, 0), 2: (2, 2, 0, 0)}


async def test_chunks_that_do_not_follow_each_other_are_not_joined(database: Database) -> None:
    async with bench(database) as bench_:
        chunks = (0, _orders(0, range(3))), (0, _orders(0, range(5, 7))), (0, _orders(0, range(3, 6)))
        assert await bench_.commit_together(*chunks) == [True, False, True]
    assert await _ledger(database) == {0: (6, 6, 0, 0), 1: (0, 0, 0, 0), 2: (0, 0, 0, 0)}


async def test_somebody_else_moved_one_of_the_partitions(database: Database) -> None:
    async with bench(database) as zombie, bench(database) as owner:
        await zombie.commit_together((0, _orders(0, range(2))), (1, _orders(1, range(2))))
        await owner.commit_together((1, _orders(1, range(2, 4))))
        chunks = (0, _orders(0, range(2, 5))), (1, _orders(1, range(2, 6)))
        assert await zombie.commit_together(*chunks) == [True, True]
        assert zombie.failures == ["FencedError"]
    assert await _ledger(database) == {0: (5, 5, 0, 0), 1: (6, 6, 0, 0), 2: (0, 0, 0, 0)}


@pytest.mark.parametrize("point", list(FaultPoint))
async def test_a_session_killed_anywhere_commits_every_partition_once(database: Database, point: FaultPoint) -> None:
    async with bench(database, Terminating(database, point)) as bench_:
        chunks = (1, _orders(1, range(4))), (0, _orders(0, range(3))), (1, _orders(1, range(4, 6)))
        assert await bench_.commit_together(*chunks) == [True] * 3
    assert await _ledger(database) == {0: (3, 3, 0, 0), 1: (6, 6, 0, 0), 2: (0, 0, 0, 0)}
    (pane,) = await database.fetch("SELECT sum(transaction_count) AS number FROM sales_panes")
    assert pane["number"] == 9


async def test_transactions_over_the_same_partitions_do_not_deadlock(database: Database) -> None:
    async with bench(database) as one, bench(database) as two:
        for start in range(0, 40, 2):
            rows = {number: _orders(number, range(start, start + 2)) for number in range(3)}
            outcomes = await asyncio.gather(
                one.commit_together(*rows.items()), two.commit_together(*reversed(rows.items()))
            )
            assert list(outcomes) == [[True] * 3] * 2
        assert set(one.failures + two.failures) <= {"FencedError"}
    assert await _ledger(database) == dict.fromkeys(range(3), (40, 40, 0, 0))
