"""Producers that use Kafka's transactions: aborted records never were, marks are no records, an open one holds up."""

import asyncio
from collections.abc import Iterator
from typing import Final

import pytest
from confluent_kafka import Producer

from tests.faults.load import Sent
from tests.faults.world import World
from tests.support.waiting import PATIENCE_SECONDS

_EACH: Final = 200
_WATCHDOG_SECONDS: Final = 15
_LOOKS_SECONDS: Final = 6  # the watchdog looks every 5 s


@pytest.fixture
def producer(world: World) -> Iterator[Producer]:
    """A producer that may abort."""
    options: dict[str, str | int] = {
        "bootstrap.servers": world.bootstrap,
        "transactional.id": world.database,
        "transaction.timeout.ms": int(PATIENCE_SECONDS * 1000),
        "log_level": 0,
    }
    producer = Producer(options)
    producer.init_transactions(PATIENCE_SECONDS)
    yield producer
    producer.flush(PATIENCE_SECONDS)


def _in_one_transaction(producer: Producer, records: Iterator[Sent]) -> None:
    producer.begin_transaction()
    for record in records:
        producer.produce(record.topic, record.value, record.key)
    producer.flush(PATIENCE_SECONDS)


async def test_only_what_was_committed_counts(world: World, producer: Producer) -> None:
    """Also for the recount; commits and aborts take turns while the worker reads, and marks stand at the end."""
    worker = world.worker(WORKER_WATCHDOG_SECONDS=str(_WATCHDOG_SECONDS))
    for turn in range(6):
        _in_one_transaction(producer, world.traffic.records(_EACH))
        if turn % 2:
            producer.abort_transaction(PATIENCE_SECONDS)
        else:
            producer.commit_transaction(PATIENCE_SECONDS)
    await world.until(lambda: _all_committed(world, 3 * _EACH), worker)
    report = await world.recount()
    assert report.agrees, report.kinds
    assert await world.committed() == 3 * _EACH
    await asyncio.sleep(_WATCHDOG_SECONDS + _LOOKS_SECONDS)
    assert worker.exit_code is None, worker.tail()
    assert worker.metric("globalmart_partition_lag_records") == 0, worker.tail()


async def test_what_stands_behind_an_open_transaction_waits(world: World, producer: Producer) -> None:
    """It counts as lag, and is no stall: nobody may read it yet."""
    worker = world.worker(WORKER_WATCHDOG_SECONDS=str(_WATCHDOG_SECONDS))
    _in_one_transaction(producer, world.traffic.records(_EACH))
    world.send(_EACH)
    await world.until(lambda: "metrics on" in worker.log(), worker)
    await asyncio.sleep(_WATCHDOG_SECONDS + _LOOKS_SECONDS)
    assert worker.exit_code is None, worker.tail()
    assert await world.committed() < _EACH
    assert worker.metric("globalmart_partition_lag_records") > _EACH
    producer.commit_transaction(PATIENCE_SECONDS)
    await world.until(lambda: _all_committed(world, 2 * _EACH), worker)
    assert (await world.recount()).agrees


async def _all_committed(world: World, records: int) -> bool:
    return await world.committed() >= records
