"""Commit workers without servers: what is committed together, what waits, and that no partition is in two commits."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from app.events.rows import DecodedRecords
from app.kafka.chunks import Chunk
from app.stream.commit_workers import CommitWorkers, DecodedChunk
from app.topics import TRANSACTIONS
from tests.events.records import Record

PATIENCE_SECONDS = 30
CAPACITY = 1000


def chunk(partition: int, size: int = 1, start: int = 0) -> DecodedChunk:
    """A decoded chunk of so many records."""
    event: Any = None
    records = [Record(b"{}", offset=start + number) for number in range(size)]
    return DecodedChunk(event, Chunk(TRANSACTIONS, partition, start, records, 1, 1), DecodedRecords(), 0.0)


class Connection:
    """A connection that is closed once."""

    def __init__(self) -> None:
        self.closed = 0

    async def close(self) -> None:
        self.closed += 1


class Commits:
    """Remembers the groups by partition and size, and holds each commit until the gate is open."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.groups: list[list[tuple[int, int]]] = []
        self.running: list[int] = []
        self.overlaps = 0

    async def __call__(self, connection: Any, group: Sequence[DecodedChunk]) -> None:
        partitions = {each.chunk.partition for each in group}
        self.overlaps += bool(partitions & set(self.running))
        self.groups.append([(each.chunk.partition, each.size) for each in group])
        self.running.extend(partitions)
        await self.gate.wait()
        await asyncio.sleep(0)
        self.running = [partition for partition in self.running if partition not in partitions]


@asynccontextmanager
async def started(number: int, commit: Any) -> AsyncIterator[tuple[CommitWorkers, Sequence[Connection]]]:
    """Commit workers over so many connections."""
    connections: Any = [Connection() for _ in range(number)]
    workers = CommitWorkers(connections, commit, capacity=CAPACITY)
    async with workers:
        yield workers, connections


async def test_small_chunks_that_arrive_during_a_commit_share_the_next() -> None:
    commits = Commits()
    async with started(4, commits) as (workers, connections):
        for partition in (0, 1, 2, 1):
            await workers.submit(chunk(partition))
        await asyncio.sleep(0)
        assert commits.groups == [[(0, 1)]]
        commits.gate.set()
        await asyncio.wait_for(workers.idle(), PATIENCE_SECONDS)
    assert commits.groups == [[(0, 1)], [(1, 1), (2, 1), (1, 1)]]
    assert [connection.closed for connection in connections] == [1] * 4


async def test_another_connection_takes_what_fills_a_transaction() -> None:
    commits = Commits()
    async with started(2, commits) as (workers, _):
        for partition in range(6):
            await workers.submit(chunk(partition, size=30))
        await asyncio.sleep(0)
        assert commits.groups == [[(0, 30)], [(1, 30), (2, 30), (3, 30)]]
        commits.gate.set()
        await asyncio.wait_for(workers.idle(), PATIENCE_SECONDS)
    assert commits.groups[2:] == [[(4, 30), (5, 30)]]


async def test_a_large_chunk_is_committed_alone_among_others() -> None:
    commits = Commits()
    async with started(3, commits) as (workers, _):
        for partition, size in ((0, 200), (1, 1), (2, 300), (0, 1)):
            await workers.submit(chunk(partition, size=size))
        await asyncio.sleep(0)
        assert commits.groups == [[(0, 200)], [(1, 1)], [(2, 300)]]
        commits.gate.set()
        await asyncio.wait_for(workers.idle(), PATIENCE_SECONDS)
    assert commits.groups[3:] == [[(0, 1)]]


async def test_all_that_waits_of_a_partition_is_committed_together() -> None:
    commits = Commits()
    async with started(1, commits) as (workers, _):
        for partition, size in ((0, 1), (1, 300), (2, 1), (1, 200), (1, 1)):
            await workers.submit(chunk(partition, size=size))
        commits.gate.set()
        await asyncio.wait_for(workers.idle(), PATIENCE_SECONDS)
    assert commits.groups == [[(0, 1)], [(1, 300), (1, 200), (1, 1)], [(2, 1)]]


async def test_chunks_of_a_partition_are_committed_in_order_and_never_overlap() -> None:
    commits = Commits()
    commits.gate.set()
    sizes = [1, 60, 60, 1, 200, 1, 1]
    async with started(3, commits) as (workers, _):
        for number, size in enumerate(sizes):
            await workers.submit(chunk(number % 2, size=size + number))
        await asyncio.wait_for(workers.idle(), PATIENCE_SECONDS)
    assert commits.overlaps == 0
    for partition in (0, 1):
        committed = [size for group in commits.groups for at, size in group if at == partition]
        assert committed == [size + number for number, size in enumerate(sizes) if number % 2 == partition]


async def test_submitting_waits_while_too_many_records_wait() -> None:
    commits = Commits()
    async with started(1, commits) as (workers, _):
        await workers.submit(chunk(0))
        await workers.submit(chunk(1, size=CAPACITY))
        more = asyncio.ensure_future(workers.submit(chunk(2)))
        await asyncio.sleep(0.01)
        assert not more.done()
        commits.gate.set()
        await asyncio.wait_for(more, PATIENCE_SECONDS)
        await asyncio.wait_for(workers.idle(), PATIENCE_SECONDS)


async def test_a_commit_that_raises_crashes_the_worker() -> None:
    async def bug(connection: Any, group: Sequence[DecodedChunk]) -> None:
        raise ZeroDivisionError("a bug")

    async with started(1, bug) as (workers, _):
        await workers.submit(chunk(0))
        await workers.submit(chunk(1))
        await asyncio.wait_for(workers.idle(), PATIENCE_SECONDS)
        assert isinstance(workers.crash_reason, ZeroDivisionError)


async def test_a_stop_cancels_a_commit_that_swallows_its_first_cancel() -> None:
    cancelled = 0

    async def stubborn(connection: Any, group: Sequence[DecodedChunk]) -> None:
        nonlocal cancelled
        while cancelled < 2:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled += 1
        raise asyncio.CancelledError

    async with started(1, stubborn) as (workers, connections):
        await workers.submit(chunk(0))
        await asyncio.sleep(0.01)
    assert cancelled == 2
    assert connections[0].closed == 1
