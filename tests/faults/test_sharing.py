"""Workers that nothing happens to: one, then two, then one again."""

import asyncio
import json
from typing import Final

from app.topics import SOURCE_TOPICS
from tests.faults import topics
from tests.faults.world import World

WATCHFUL: Final = "tests.faults.watchful_worker"


async def test_one_worker_is_exact(world: World) -> None:
    worker = world.worker()
    await world.bursts(30)
    report = await world.exact()
    assert worker.exit_code is None
    orders = report.topics["transactions"].found
    assert min(orders[name] for name in ("duplicates", "conflicting", "dead_lettered", "late")) > 0
    assert report.anomalies["rapid_transactions"].found > 100


async def test_a_second_worker_takes_half_and_hands_it_back(world: World) -> None:
    first = world.worker()
    await world.bursts(10)
    await world.consuming(first)
    second = world.worker()
    async with world.load():
        await world.consuming(second)
    await world.until(lambda: topics.members(world.bootstrap, world.group) == [12, 12], second)
    await world.exact()
    assert second.stop() == 0, second.tail()
    await world.bursts(5)
    await world.exact()
    assert first.stop() == 0, first.tail()


async def test_a_stop_is_clean_whatever_is_asked_of_the_client_meanwhile(world: World) -> None:
    worker = world.worker(WATCHFUL, faults={"PATIENCE_SECONDS": "0.002"})
    await world.bursts(5)
    await world.consuming(worker)
    assert worker.stop() == 0, worker.tail()
    world.worker()
    await world.exact()


async def test_partitions_may_go_while_their_lag_is_asked_for(world: World) -> None:
    first = world.worker(WATCHFUL, faults={"PATIENCE_SECONDS": "5"})
    async with world.load():
        await world.consuming(first)
        for _ in range(2):
            second = world.worker()
            await world.consuming(second)
            assert second.stop() == 0, second.tail()
    await world.exact()
    assert first.exit_code is None, first.tail()


async def test_a_stop_notes_the_ledger_s_offsets_in_kafka(world: World) -> None:
    worker = world.worker(WORKER_DRAIN_SECONDS="60")
    await world.bursts(10)
    await world.exact()
    assert worker.stop() == 0, worker.tail()
    noted = topics.committed_offsets(world.bootstrap, world.group)
    assert noted == await world.ledger()


async def test_a_graceful_stop_hands_over_with_nothing_redone(world: World) -> None:
    """No transaction is cut off and tried again, by neither of the two, and no chunk is left behind.

    However busy the machine is: neither is taken for dead, and the stop waits for the chunks.
    """
    stayer, leaver = (
        world.worker(
            WORKER_DRAIN_SECONDS="60", KAFKA_SESSION_TIMEOUT_SECONDS="60", POSTGRES_IDLE_TRANSACTION_SECONDS="60"
        )
        for _ in range(2)
    )
    async with world.load():
        await world.consuming(stayer)
        await world.consuming(leaver)
        assert await asyncio.to_thread(leaver.stop) == 0, leaver.tail()
        await world.progress(2000)
    await world.exact()
    assert stayer.metric("globalmart_sink_failures_total") == 0, stayer.tail()
    for worker in (stayer, leaver):
        for sign in ("failed, retrying", "commits still run", "Offset commit to Kafka failed"):
            assert sign not in worker.log(), worker.tail()


async def test_a_worker_tells_its_lag_until_it_stops(world: World) -> None:
    worker = world.worker()
    await world.bursts(2)
    await world.until(lambda: _tells_its_lag(world), worker)
    assert worker.stop() == 0, worker.tail()
    assert await world.sql("SELECT worker_id FROM worker_heartbeats") == []


async def _tells_its_lag(world: World) -> bool:
    """Whether one worker has a heartbeat, with the lag of the topics it consumes."""
    rows = await world.sql("SELECT lag FROM worker_heartbeats")
    return [set(json.loads(row["lag"])) for row in rows] == [set(SOURCE_TOPICS)]
