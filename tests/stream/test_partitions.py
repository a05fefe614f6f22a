"""Partitions without servers: what is opened, dropped, resumed and when the worker gives up."""

import asyncio
from typing import Any

import asyncpg
import pytest
from aiokafka.errors import ConsumerStoppedError, KafkaError
from faust.types import TP

from app.errors import LedgerError
from app.kafka.chunks import Chunk
from app.sink.chunk_slice import CommitResult
from app.sink.ledger import Counts, Progress
from app.sink.partition_state import PartitionState
from app.topics import TRANSACTIONS
from tests.stream.fakes import Clock, FakeApp, FakeLoader, Listener, partition_manager

ONE, TWO = TP(TRANSACTIONS, 1), TP(TRANSACTIONS, 2)
NO_CONNECTION: Any = None


def result_of(partition: TP, next_offset: int) -> CommitResult[Any]:
    """A commit up to an offset that accepted nothing."""
    counts = Counts(stored=0, duplicates=0, conflicting=0, dead_lettered=0, late=0, rounded=0, assumed_utc=0)
    return CommitResult(partition.partition, Progress(next_offset, None, None), [], [], counts)


async def test_assigned_partitions_are_loaded_and_then_resumed() -> None:
    app, loader, listener = FakeApp(), FakeLoader(), Listener()
    partitions = partition_manager(app, loader, listener)
    loader.gate.clear()
    await partitions.on_assigned(None, {ONE, TWO})
    await asyncio.sleep(0)
    assert partitions.owned == {ONE, TWO}
    assert app.consumer.resumed == {}
    loader.gate.set()
    await app.settled()
    assert app.consumer.resumed == {ONE: 7, TWO: 7}
    assert listener.valid == {ONE, TWO}
    assert dict(partitions.items()).keys() == {ONE, TWO}


async def test_an_empty_assignment_opens_nothing() -> None:
    app, loader = FakeApp(), FakeLoader()
    await partition_manager(app, loader).on_assigned(None, set())
    assert (loader.opened, app.futures) == (0, [])


@pytest.mark.parametrize(
    "error",
    [
        OSError("refused"),
        KafkaError(),
        TimeoutError(),
        asyncpg.InterfaceError("closed"),
        asyncpg.AdminShutdownError("down"),
    ],
)
async def test_a_store_that_is_unavailable_is_tried_again(error: Exception) -> None:
    app, loader = FakeApp(), FakeLoader([error, error])
    await partition_manager(app, loader).on_assigned(None, {ONE})
    await app.settled()
    assert (loader.opened, app.consumer.resumed, app.crashed_with) == (3, {ONE: 7}, None)


@pytest.mark.parametrize("error", [LedgerError("another Kafka"), ZeroDivisionError("a bug")])
async def test_what_no_retry_mends_stops_the_worker(error: Exception) -> None:
    app, loader = FakeApp(), FakeLoader([error])
    await partition_manager(app, loader).on_assigned(None, {ONE})
    await app.settled()
    assert app.crashed_with is error
    assert app.consumer.resumed == {}


@pytest.mark.parametrize(("stopping", "crashes"), [(False, True), (True, False)])
async def test_the_clients_end_is_an_error_unless_the_worker_stops(stopping: bool, crashes: bool) -> None:
    app, loader = FakeApp(), FakeLoader([ConsumerStoppedError()])
    loader.gate.clear()
    await partition_manager(app, loader).on_assigned(None, {ONE})
    await asyncio.sleep(0)
    app.should_stop = stopping
    loader.gate.set()
    await app.settled()
    assert (app.crashed_with is not None) is crashes


async def test_a_rebalance_while_states_are_loaded_leaves_the_partition_paused() -> None:
    app, loader, listener = FakeApp(), FakeLoader(), Listener()
    partitions = partition_manager(app, loader, listener)
    loader.gate.clear()
    await partitions.on_assigned(None, {ONE})
    await asyncio.sleep(0)
    app.consumer_generation_id = 2
    await partitions.on_revoked(None, {ONE})
    loader.gate.set()
    await app.settled()
    assert (app.consumer.resumed, listener.valid, partitions.owned) == ({}, set(), frozenset())


async def test_retries_end_with_the_generation() -> None:
    app, loader = FakeApp(), FakeLoader([OSError("refused")])
    loader.gate.clear()
    await partition_manager(app, loader).on_assigned(None, {ONE})
    await asyncio.sleep(0)
    app.consumer_generation_id = 2
    loader.gate.set()
    await app.settled()
    assert (loader.opened, app.crashed_with) == (1, None)


async def test_an_assignment_drops_every_state_known_before() -> None:
    app, loader, listener = FakeApp(), FakeLoader(), Listener()
    partitions = partition_manager(app, loader, listener)
    partitions.assign([ONE])
    first = await partitions.state(NO_CONNECTION, ONE)
    partitions.assign([ONE])
    assert listener.valid == set()
    assert await partitions.state(NO_CONNECTION, ONE) is not first


async def test_a_state_is_kept_until_it_is_dropped() -> None:
    partitions = partition_manager(FakeApp(), FakeLoader())
    partitions.assign([ONE])
    first = await partitions.state(NO_CONNECTION, ONE)
    assert await partitions.state(NO_CONNECTION, ONE) is first
    partitions.drop(ONE)
    assert await partitions.state(NO_CONNECTION, ONE) is not first


async def test_a_state_of_a_revoked_partition_is_used_once_and_not_kept() -> None:
    listener = Listener()
    partitions = partition_manager(FakeApp(), FakeLoader(), listener)
    assert isinstance(await partitions.state(NO_CONNECTION, ONE), PartitionState)
    assert listener.valid == set()
    assert dict(partitions.items()) == {}


async def test_a_partition_without_a_ledger_row_is_an_error() -> None:
    class Empty(FakeLoader):
        async def load_state(self, connection: asyncpg.Connection, partition: TP) -> None:
            return None

    with pytest.raises(LookupError, match="ledger"):
        await partition_manager(FakeApp(), Empty()).state(NO_CONNECTION, ONE)


async def test_a_commit_moves_its_state_and_live_tables_follow() -> None:
    partitions = partition_manager(FakeApp(), FakeLoader())
    seen: list[tuple[PartitionState, int]] = []
    partitions.follow(TRANSACTIONS, lambda state, result: seen.append((state, result.progress.next_offset)))
    partitions.assign([ONE])
    state = await partitions.state(NO_CONNECTION, ONE)
    partitions.apply(TRANSACTIONS, state, result_of(ONE, 9))
    assert state.progress.next_offset == 9
    assert seen == [(state, 9)]


async def test_live_tables_do_not_follow_a_chunk_from_before_a_rebalance() -> None:
    partitions = partition_manager(FakeApp(), FakeLoader())
    seen: list[Any] = []
    partitions.follow(TRANSACTIONS, lambda state, result: seen.append(result))
    partitions.assign([ONE])
    outdated = await partitions.state(NO_CONNECTION, ONE)
    partitions.assign([ONE])
    partitions.apply(TRANSACTIONS, outdated, result_of(ONE, 9))
    assert seen == []


async def test_reopening_pauses_drops_and_loads_again() -> None:
    app, loader, listener = FakeApp(), FakeLoader(), Listener()
    partitions = partition_manager(app, loader, listener)
    await partitions.on_assigned(None, {ONE})
    await app.settled()
    loader.next_offset = 30
    partitions.reopen(ONE)
    assert app.consumer.paused == [ONE]
    assert listener.valid == set()
    await app.settled()
    assert app.consumer.resumed == {ONE: 30}


async def test_attempts_are_noted_for_the_watchdog() -> None:
    app, clock = FakeApp(), Clock()
    partitions = partition_manager(app, FakeLoader(), clock=clock)
    assert partitions.tried_at == 0.0
    partitions.record_failure(TRANSACTIONS, "OSError")
    assert partitions.tried_at == 1_000.0
    clock.seconds = 2_000.0
    await partitions.on_assigned(None, {ONE})
    await app.settled()
    assert partitions.tried_at == 2_000.0


@pytest.mark.parametrize("current", [True, False])
async def test_the_consumer_says_whether_a_chunk_is_current(current: bool) -> None:
    app = FakeApp()
    app.consumer.current = current
    chunk = Chunk(TRANSACTIONS, 1, 0, [], 1, 1)
    assert partition_manager(app, FakeLoader()).is_current(chunk) is current
