"""Workers that must not start, and say what to do about it."""

import asyncio
import signal

import pytest

from compose.embedded.postgres_server import OWNER
from tests.faults import topics
from tests.faults.processes import WorkerProcess
from tests.faults.world import World


async def _refuses(worker: WorkerProcess, *expected: str) -> None:
    """The worker must end by itself, and the end of its log must hold what a reader needs."""
    code = await asyncio.to_thread(worker.wait)
    assert code > 0, worker.tail()
    end = worker.tail()
    assert all(text in end for text in expected), end


async def test_the_database_of_another_kafka(world: World) -> None:
    await world.sql("INSERT INTO stream_source (cluster_id) VALUES ('another-cluster')")
    await _refuses(world.worker(), "another-cluster", "GLOBALMART_KAFKA_BOOTSTRAP", "empty database")
    assert await world.ledger() == {}


async def test_a_kafka_that_was_wiped(world: World) -> None:
    world.send(1000)
    worker = world.worker()
    await world.exact()
    assert worker.stop() == 0
    topics.recreate_topics(world.bootstrap)
    world.send(100)
    before = await world.ledger()
    await _refuses(world.worker(), "GLOBALMART_KAFKA_BOOTSTRAP", "empty database")
    assert await world.ledger() == before


async def test_records_deleted_before_they_were_consumed(world: World) -> None:
    world.send(1000)
    worker = world.worker()
    await world.exact()
    assert worker.stop() == 0
    world.send(1000)
    before = await world.ledger()
    ends = topics.end_offsets(world.bootstrap)
    topics.delete_records(world.bootstrap, ends)
    await _refuses(world.worker(), "GLOBALMART_WORKER_ACCEPT_LOST_OFFSETS=true", "Kafka has deleted")
    assert await world.ledger() == before
    world.worker(WORKER_ACCEPT_LOST_OFFSETS="true")
    world.send(500)
    await world.consumed()
    rows = await world.sql("SELECT topic, partition, lost FROM stream_progress")
    lost = {(row["topic"], row["partition"]): row["lost"] for row in rows}
    assert lost == {partition: ends[partition] - before[partition] for partition in ends}
    assert (await world.recount()).agrees


async def test_another_schema(world: World) -> None:
    await world.sql("INSERT INTO schema_version (version, name, checksum) VALUES (9999, 'x', 'x')")
    await _refuses(world.worker(), "schema version 9999", "globalmart migrate")


async def test_other_windows(world: World) -> None:
    worker = world.worker(STREAM_WINDOW_SECONDS="120")
    await _refuses(worker, "60 s every 30 s", "120 s every 30 s", "--rebuild-windows")


async def test_a_wrong_password(world: World) -> None:
    worker = world.worker(POSTGRES_WORKER_PASSWORD="wrong")
    await _refuses(worker, "password", "GLOBALMART_POSTGRES_WORKER_PASSWORD")


async def test_a_role_that_may_not_write(world: World) -> None:
    await world.sql(f"REVOKE INSERT ON transactions FROM globalmart_worker, {OWNER}")
    world.send(500)
    await _refuses(world.worker(), "permission denied for table transactions")


async def test_topics_that_do_not_exist(world: World) -> None:
    topics.delete_topics(world.bootstrap)
    await _refuses(world.worker(), "transactions has not been created", "globalmart migrate")


async def test_topics_with_another_number_of_partitions(world: World) -> None:
    worker = world.worker(KAFKA_PARTITIONS="12")
    await _refuses(worker, "transactions has 6", "GLOBALMART_KAFKA_PARTITIONS")


@pytest.mark.parametrize("more", [300, 0])
async def test_records_deleted_while_a_worker_that_runs_has_yet_to_read_them(world: World, more: int) -> None:
    """Its client goes on with the oldest record there is, or waits for one, and says nothing of what is missing."""
    world.send(1000)
    worker = world.worker()
    await world.exact()
    before = await world.ledger()
    worker.signal(signal.SIGSTOP)
    try:
        world.send(300)
        await asyncio.sleep(0.5)  # a fetch that was waiting for records has its answer
        world.send(1500)
        ends = topics.end_offsets(world.bootstrap)
        topics.delete_records(world.bootstrap, ends)
    finally:
        worker.signal(signal.SIGCONT)
    world.send(more)
    await _refuses(worker, "Kafka has deleted", "GLOBALMART_WORKER_ACCEPT_LOST_OFFSETS=true")
    after = await world.ledger()
    # Partitions whose records all came with that fetch may go on to the end; no other has passed the deleted ones.
    passed = [partition for partition, offset in after.items() if offset > ends[partition]]
    rows = await world.sql("SELECT topic, partition, consumed, next_offset FROM stream_progress")
    assert all(row["consumed"] == row["next_offset"] for row in rows)
    assert len(passed) < len(before)
    world.worker(WORKER_ACCEPT_LOST_OFFSETS="true")
    world.send(500)
    await world.consumed()
    assert (await world.sql("SELECT sum(lost) FROM stream_progress"))[0][0] > 0
    assert (await world.recount()).agrees
