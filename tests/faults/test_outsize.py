"""A refused record that is too large for the topic of its copies: reported, and no other copy waits for it."""

import json
from collections.abc import Iterator
from typing import Any, Final

import pytest
from confluent_kafka import Consumer, Message, Producer, TopicPartition

from app.topics import ANOMALIES, DEAD_LETTERS, TRANSACTIONS
from tests.faults import topics
from tests.faults.load import Sent
from tests.faults.test_poison import _order
from tests.faults.world import World

#: Kafka's own default.
_LIMIT: Final = 1_048_588
#: What just fits the source topic, so that its copy with headers does not fit one of the same limit.
_OUTSIZE: Final = 1_048_400


def _limit(bootstrap: str, topic: str, limit: int) -> None:
    topics.set_topic(bootstrap, topic, max__message__bytes=str(limit))


@pytest.fixture
def narrow(world: World) -> Iterator[World]:
    """Topics with Kafka's own limit; the next world makes them again."""
    for topic in (TRANSACTIONS, DEAD_LETTERS):
        _limit(world.bootstrap, topic, _LIMIT)
    yield world
    topics.delete_topics(world.bootstrap)


def _copies(bootstrap: str, topic: str, count: int) -> list[Message]:
    reader = Consumer({"bootstrap.servers": bootstrap, "group.id": "outsize", "log_level": 0})
    try:
        reader.assign([TopicPartition(topic, number, 0) for number in range(topics.PARTITIONS)])
        found: list[Message] = []
        while len(found) < count:
            message = reader.poll(60.0)
            assert message is not None, f"{len(found)} of {count} copies"
            assert message.error() is None
            found.append(message)
        return found
    finally:
        reader.close()


def _bad(name: str, padding: int = 0, key: bytes = b"victim") -> Sent:
    """An order without an amount that can be read."""
    event: dict[str, Any] = _order(name) | {"total_amount": "nothing", "note": ""}
    event["note"] = "x" * max(0, padding - len(json.dumps(event)))
    return Sent(TRANSACTIONS, key, json.dumps(event).encode())


async def test_an_outsize_dead_letter_is_copied_without_its_value(narrow: World) -> None:
    world = narrow
    records = [_bad("before"), _bad("outsize", _OUTSIZE), _bad("after")]
    alarm = Sent(TRANSACTIONS, b"victim", json.dumps(_order("alarm")).encode())
    producer = Producer({"bootstrap.servers": world.bootstrap, "message.max.bytes": 2 * _LIMIT})
    for record in (*records, alarm):
        producer.produce(record.topic, record.value, record.key)
    assert producer.flush(60) == 0
    worker = world.worker()
    await world.consumed(60.0)
    copies = _copies(world.bootstrap, DEAD_LETTERS, 3)
    assert len(_copies(world.bootstrap, ANOMALIES, 1)) == 1
    values = {message.value() for message in copies}
    assert values == {records[0].value, records[2].value, b""}
    (reduced,) = [message for message in copies if not message.value()]
    headers: dict[str, Any] = dict(reduced.headers() or [])
    assert reduced.key() == b"victim"
    assert (headers["left_out"], headers["value_bytes"]) == (b"value", b"%d" % _OUTSIZE)
    assert headers["reason"] == b"invalid_amount"
    await world.until(lambda: worker.metric("globalmart_outbox_left_out_total") == 1, worker)
    stored = await world.sql("SELECT max(octet_length(value)) FROM dead_letters")
    assert stored[0][0] == _OUTSIZE
    report = await world.exact()
    assert report.reduced_copies == {DEAD_LETTERS: 1}
    assert report.awaiting_publication == {}


async def test_a_topic_that_takes_nothing_holds_up_no_other(narrow: World) -> None:
    """Not even the headers fit: nothing of them is copied, and the worker goes on."""
    world = narrow
    _limit(world.bootstrap, DEAD_LETTERS, 100)
    world.sender.send([_bad(f"bad-{number}") for number in range(5)])
    world.sender.send([Sent(TRANSACTIONS, b"victim", json.dumps(_order("alarm")).encode())])
    world.sender.flush()
    worker = world.worker()
    await world.consumed(60.0)
    assert len(_copies(world.bootstrap, ANOMALIES, 1)) == 1
    await world.until(lambda: worker.metric("globalmart_outbox_left_out_total") == 5, worker)
    _limit(world.bootstrap, DEAD_LETTERS, _LIMIT)
    world.sender.send([_bad("fits")])
    world.sender.flush()
    assert len(_copies(world.bootstrap, DEAD_LETTERS, 1)) == 1
    assert worker.exit_code is None
