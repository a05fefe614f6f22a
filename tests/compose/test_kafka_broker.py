import uuid

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from app.errors import KafkaTopicError
from app.kafka.admin import COMPRESSION_TYPE, create_topics, topic_settings
from app.topics import CART_EVENTS, TOPICS
from compose.embedded.ports import LOOPBACK, choose_port
from compose.embedded.stack import EmbeddedStack
from tests.support.waiting import PATIENCE_SECONDS

_LARGE = 10_000_000


def _record_at(bootstrap: str, offset: int) -> bytes | None:
    consumer = Consumer(
        {"bootstrap.servers": bootstrap, "group.id": str(uuid.uuid4()), "fetch.message.max.bytes": _LARGE + 1000}
    )
    try:
        consumer.assign([TopicPartition(CART_EVENTS, 0, offset)])
        message = consumer.poll(30)
        return None if message is None else message.value()
    finally:
        consumer.close()


def test_topics_are_created_once_with_their_partitions(stack: EmbeddedStack) -> None:
    bootstrap = stack.kafka.bootstrap
    create_topics(bootstrap, 6, 1, 48.0)
    assert create_topics(bootstrap, 6, 1, 48.0) == []
    present = AdminClient({"bootstrap.servers": bootstrap}).list_topics(timeout=PATIENCE_SECONDS).topics
    assert {spec.name: len(present[spec.name].partitions) for spec in TOPICS} == {spec.name: 6 for spec in TOPICS}
    names = [spec.name for spec in TOPICS]
    compressed = topic_settings(AdminClient({"bootstrap.servers": bootstrap}), names, COMPRESSION_TYPE)
    assert compressed == dict.fromkeys(names, "zstd")


def test_another_number_of_partitions_is_refused(stack: EmbeddedStack) -> None:
    create_topics(stack.kafka.bootstrap, 6, 1, 48.0)
    with pytest.raises(KafkaTopicError, match=r"than 8: transactions has 6.*KAFKA_PARTITIONS"):
        create_topics(stack.kafka.bootstrap, 8, 1, 48.0)


def test_a_broker_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.kafka.admin._ANSWER_SECONDS", 1.0)
    address = f"{LOOPBACK}:{choose_port()}"
    with pytest.raises(KafkaTopicError, match=f"Kafka at {address} does not answer"):
        create_topics(address, 6, 1, 48.0)


def test_a_large_record_survives_a_kill_of_the_broker(stack: EmbeddedStack) -> None:
    bootstrap = stack.kafka.bootstrap
    create_topics(bootstrap, 6, 1, 48.0)
    offsets: list[int] = []
    producer = Producer({"bootstrap.servers": bootstrap, "message.max.bytes": _LARGE + 1000})
    producer.produce(
        CART_EVENTS, b"x" * _LARGE, partition=0, on_delivery=lambda error, message: offsets.append(message.offset())
    )
    assert producer.flush(PATIENCE_SECONDS) == 0
    del producer
    stack.kafka.kill()
    stack.kafka.start()
    value = _record_at(bootstrap, offsets[0])
    assert value is not None
    assert len(value) == _LARGE
