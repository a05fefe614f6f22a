"""PostgreSQL and Kafka stop, are killed, and come back; workers wait for them."""

import asyncio
import signal
import time
from typing import Final

from compose.embedded.kafka_broker import KafkaServer
from compose.embedded.ports import choose_port
from tests.faults.world import World

_ASKING: Final = "Unable to update metadata"
_REVOKING: Final = "Revoking previously assigned partitions"


async def test_postgres_is_down_for_ten_seconds(world: World) -> None:
    postgres = world.stack.postgres
    async with world.load():
        worker = world.worker()
        await world.consuming(worker)
        await asyncio.to_thread(postgres.stop)
        await asyncio.sleep(10)
        await asyncio.to_thread(postgres.start)
    await world.exact()
    assert worker.exit_code is None, worker.tail()


async def test_postgres_is_killed_under_load(world: World) -> None:
    postgres = world.stack.postgres
    async with world.load():
        workers = [world.worker(), world.worker()]
        for worker in workers:
            await world.consuming(worker)
        for _ in range(2):
            await asyncio.to_thread(postgres.kill)
            await asyncio.to_thread(postgres.start)
            await world.progress(1000)
    await world.exact()
    assert [worker.exit_code for worker in workers] == [None, None]


async def test_sessions_are_ended_again_and_again(world: World) -> None:
    async with world.load():
        worker = world.worker()
        await world.consuming(worker)
        for _ in range(12):
            await world.sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            await asyncio.sleep(0.4)
    await world.exact()
    assert worker.exit_code is None, worker.tail()


async def test_kafka_is_restarted_under_load(world: World) -> None:
    kafka = _kafka(world)
    async with world.load():
        workers = [world.worker(), world.worker()]
        for worker in workers:
            await world.consuming(worker)
        await asyncio.to_thread(kafka.stop)
        await asyncio.to_thread(kafka.start)
        await world.progress(1000)
    await world.exact()
    assert [worker.exit_code for worker in workers] == [None, None]


async def test_kafka_is_killed_under_load(world: World) -> None:
    kafka = _kafka(world)
    async with world.load():
        worker = world.worker()
        await world.consuming(worker)
        killed = time.monotonic()
        await asyncio.to_thread(kafka.kill)
        await world.until(lambda: _ASKING in worker.log(), worker)
        await asyncio.sleep(5)
        await asyncio.to_thread(kafka.start)
        await world.progress(1000)
        down_seconds = time.monotonic() - killed
    await world.exact()
    assert worker.exit_code is None, worker.tail()
    tries = worker.log().count(_ASKING)
    assert tries < 16 * down_seconds, "it asks again, and does not hammer"


def _kafka(world: World) -> KafkaServer:
    kafka = world.stack.kafka
    assert isinstance(kafka, KafkaServer)
    return kafka


async def test_postgres_comes_back_in_the_middle_of_a_rebalance(world: World) -> None:
    """Whoever waited for it to open partitions has lost them meanwhile, and must not ask for them any more."""
    postgres = world.stack.postgres
    async with world.load():
        workers = [world.worker() for _ in range(4)]
        for worker in workers:
            await world.consuming(worker)
        waiting, frozen, first, second = workers
        await asyncio.to_thread(postgres.stop)
        first.signal(signal.SIGTERM)
        await world.until(lambda: "partitions stay paused" in waiting.log(), waiting)
        frozen.signal(signal.SIGSTOP)
        revocations = waiting.log().count(_REVOKING)
        second.signal(signal.SIGTERM)
        await world.until(lambda: waiting.log().count(_REVOKING) > revocations, waiting)
        await asyncio.to_thread(postgres.start)
        await asyncio.sleep(2)
        frozen.signal(signal.SIGCONT)
        await world.progress(1000)
    await world.exact()
    assert [waiting.exit_code, frozen.exit_code] == [None, None]


async def test_a_stop_while_both_stores_are_down_ends_soon(world: World) -> None:
    async with world.load():
        worker = world.worker(WORKER_STOP_SECONDS="10")
        await world.consuming(worker)
    await asyncio.to_thread(world.stack.postgres.stop)
    await asyncio.to_thread(world.stack.kafka.stop)
    try:
        assert worker.stop() in (0, 1), worker.tail()
    finally:
        await asyncio.to_thread(world.stack.postgres.start)
        await asyncio.to_thread(world.stack.kafka.start)


async def test_a_stop_while_waiting_for_kafka_ends_soon(world: World) -> None:
    worker = world.worker(KAFKA_BOOTSTRAP=f"127.0.0.1:{choose_port()}", WORKER_STOP_SECONDS="10")
    await world.until(lambda: "waiting for Kafka" in worker.log(), worker)
    assert worker.stop() in (0, 1), worker.tail()
