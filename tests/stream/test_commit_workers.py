"""Commit workers without servers: one partition always on one connection, and jobs never overlap there."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from app.stream.commit_workers import CommitWorkers

PATIENCE_SECONDS = 30


class Connection:
    """A connection that is closed once."""

    def __init__(self) -> None:
        self.closed = 0

    async def close(self) -> None:
        self.closed += 1


@asynccontextmanager
async def started(number: int) -> AsyncIterator[tuple[CommitWorkers, Sequence[Connection]]]:
    """Commit workers over so many connections."""
    connections: Any = [Connection() for _ in range(number)]
    workers = CommitWorkers(connections)
    async with workers:
        yield workers, connections


async def test_a_partition_always_has_the_same_connection() -> None:
    used: dict[int, set[Any]] = {}

    def job(partition: int) -> Any:
        async def run(connection: Any) -> None:
            used.setdefault(partition, set()).add(connection)

        return run

    async with started(2) as (workers, connections):
        for _ in range(3):
            for partition in range(4):
                await workers.submit(partition, job(partition))
        await workers.idle()
    assert {partition: len(found) for partition, found in used.items()} == {0: 1, 1: 1, 2: 1, 3: 1}
    assert used[0] == used[2] != used[1] == used[3]
    assert [connection.closed for connection in connections] == [1, 1]


async def test_jobs_of_one_connection_run_one_after_the_other() -> None:
    running, most, order = 0, 0, []

    def job(number: int) -> Any:
        async def run(connection: Any) -> None:
            nonlocal running, most
            running += 1
            most = max(most, running)
            await asyncio.sleep(0)
            order.append(number)
            running -= 1

        return run

    async with started(1) as (workers, _):
        for number in range(5):
            await workers.submit(number, job(number))
        await workers.idle()
    assert (most, order) == (1, [0, 1, 2, 3, 4])


async def test_a_second_waiting_job_waits_outside() -> None:
    gate = asyncio.Event()

    async def held(connection: Any) -> None:
        await gate.wait()

    async with started(1) as (workers, _):
        await workers.submit(0, held)
        await asyncio.sleep(0)
        await workers.submit(0, held)
        third = asyncio.ensure_future(workers.submit(0, held))
        await asyncio.sleep(0.01)
        assert not third.done()
        gate.set()
        await asyncio.wait_for(third, PATIENCE_SECONDS)
        await workers.idle()


async def test_a_job_that_raises_crashes_the_worker_and_the_queue_goes_on() -> None:
    async def bug(connection: Any) -> None:
        raise ZeroDivisionError("a bug")

    async with started(1) as (workers, _):
        await workers.submit(0, bug)
        await asyncio.wait_for(workers.idle(), PATIENCE_SECONDS)
        assert isinstance(workers.crash_reason, ZeroDivisionError)


async def test_a_stop_cancels_a_job_that_swallows_its_first_cancel() -> None:
    cancelled = 0

    async def stubborn(connection: Any) -> None:
        nonlocal cancelled
        while cancelled < 2:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled += 1
        raise asyncio.CancelledError

    async with started(1) as (workers, connections):
        await workers.submit(0, stubborn)
        await asyncio.sleep(0.01)
    assert cancelled == 2
    assert connections[0].closed == 1
