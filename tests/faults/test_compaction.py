"""A source topic that compacts loses records: refused at start, named by doctor, counted as lost by the recount."""

import asyncio
import json
import time
from collections.abc import Iterator
from typing import Final

import pytest

from app.cli.reconcile import EXIT_INCOMPLETE, exit_code
from app.errors import KafkaTopicError
from app.kafka.admin import create_topics
from app.ops.doctor.checks import run_checks
from app.settings import Settings
from app.topics import DEAD_LETTERS, PRODUCT_VIEWS, TRANSACTIONS
from tests.faults import topics
from tests.faults.load import Sent
from tests.faults.test_poison import _order
from tests.faults.world import World

_ORDERS: Final = 180
_COMPACTED_SECONDS: Final = 300.0
_EAGER: Final = {
    "min__cleanable__dirty__ratio": "0.001",
    "segment__ms": "200",
    "max__compaction__lag__ms": "200",
    "delete__retention__ms": "0",
}


@pytest.fixture
def own_topics(world: World) -> Iterator[World]:
    """The next world makes the topics again."""
    yield world
    topics.delete_topics(world.bootstrap)


@pytest.mark.parametrize("policy", ["compact", "compact,delete"])
async def test_a_worker_refuses_to_start_and_doctor_and_migrate_say_why(own_topics: World, policy: str) -> None:
    world = own_topics
    topics.set_topic(world.bootstrap, PRODUCT_VIEWS, cleanup__policy=policy)
    worker = world.worker()
    await world.until(lambda: worker.exit_code is not None)
    assert worker.exit_code != 0
    problem = f"product_views has cleanup.policy={policy}"
    assert problem in worker.log()
    assert "set cleanup.policy=delete on product_views" in worker.log()
    findings = [str(one) for one in await run_checks(Settings(world.environment()))]
    assert [one for one in findings if problem in one and "cleanup.policy=delete" in one], findings
    with pytest.raises(KafkaTopicError, match=f"{problem}, so Kafka deletes records; set"):
        create_topics(world.bootstrap, topics.PARTITIONS, 1, 48.0)
    topics.set_topic(world.bootstrap, PRODUCT_VIEWS, cleanup__policy="delete")
    assert create_topics(world.bootstrap, topics.PARTITIONS, 1, 48.0) == []
    world.send(10)
    world.worker()
    await world.exact(120.0)


async def test_a_topic_of_copies_that_compacts_is_named(own_topics: World) -> None:
    world = own_topics
    topics.set_topic(world.bootstrap, DEAD_LETTERS, cleanup__policy="compact")
    findings = [str(one) for one in await run_checks(Settings(world.environment()))]
    assert [one for one in findings if "dead_letters has cleanup.policy=compact" in one], findings
    keyless = Sent(TRANSACTIONS, None, b"{")
    world.sender.send([keyless, Sent(TRANSACTIONS, b"victim", b"{")])
    world.sender.flush()
    worker = world.worker()
    await world.consumed(120.0)
    copied = "SELECT 1 FROM outbox_progress WHERE stream = 'dead_letters' AND published_position = 2"

    async def done() -> bool:
        return bool(await world.sql(copied))

    await world.until(done, worker)
    assert worker.metric("globalmart_outbox_left_out_total", left_out="everything") == 1


def _send_orders(world: World, first: int, count: int) -> None:
    """Three orders of each user, so that compaction deletes two of three."""
    for number in range(first, first + count):
        user = f"user-{number % (_ORDERS // 3)}"
        event = _order(f"order-{number}") | {"user_id": user, "total_amount": "1.00"}
        world.sender.send([Sent(TRANSACTIONS, user.encode(), json.dumps(event).encode())])
    world.sender.flush()


async def _until_half_are_gone(world: World) -> None:
    """Only segments that are closed are compacted, and a record more closes one."""
    deadline, sent = time.monotonic() + _COMPACTED_SECONDS, _ORDERS
    while True:
        held = await asyncio.to_thread(topics.count_records, world.bootstrap, TRANSACTIONS)
        if sent - held >= _ORDERS // 2:
            return
        assert time.monotonic() < deadline, f"Kafka still holds {held} of {sent} records"
        if sent < 2 * _ORDERS:
            _send_orders(world, 0, topics.PARTITIONS)
            sent += topics.PARTITIONS
        await asyncio.sleep(2.0)


async def test_what_was_compacted_is_counted_as_gone(own_topics: World) -> None:
    world = own_topics
    _send_orders(world, 0, _ORDERS)
    worker = world.worker()
    await world.exact(120.0)
    worker.kill()
    topics.set_topic(world.bootstrap, TRANSACTIONS, cleanup__policy="compact", **_EAGER)
    await _until_half_are_gone(world)
    report = await world.recount()
    assert (report.agrees, report.complete) == (True, False), report.mismatches[:5]
    assert report.compacting == [TRANSACTIONS]
    assert exit_code(report) == EXIT_INCOMPLETE
    topics.set_topic(world.bootstrap, TRANSACTIONS, cleanup__policy="delete", segment__ms="600000")
    report = await world.recount()
    assert (report.agrees, report.compacting) == (True, []), report.mismatches[:5]
    gone = sum(lost.end - lost.start for lost in report.lost_ranges if lost.topic == TRANSACTIONS)
    assert gone >= _ORDERS // 2
    assert exit_code(report) == EXIT_INCOMPLETE
