"""What was sent: every order of the topic, read and understood by code that shares nothing with any contender."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final

from confluent_kafka import Consumer, TopicPartition

from app.topics import SENT_AT_HEADER, TRANSACTIONS

_ANSWER_SECONDS: Final = 60.0
_AT_ONCE: Final = 10_000
_CENT: Final = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class SentOrder:
    """An order as it was sent; `sent_at_ms` is the producer's clock, Unix time in milliseconds."""

    transaction_id: str
    timestamp: datetime
    amount: Decimal
    category: str | None
    country: str | None
    quantity: int
    sent_at_ms: int


def read_sent(bootstrap: str) -> list[SentOrder]:
    """All records of the topic, partition by partition in the order of their offsets."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "globalmart-bench-sent"})
    try:
        partitions = consumer.list_topics(TRANSACTIONS, _ANSWER_SECONDS).topics[TRANSACTIONS].partitions
        return [order for partition in sorted(partitions) for order in _partition(consumer, partition)]
    finally:
        consumer.close()


def _partition(consumer: Consumer, partition: int) -> Iterator[SentOrder]:
    _, end = consumer.get_watermark_offsets(TopicPartition(TRANSACTIONS, partition), _ANSWER_SECONDS)
    consumer.assign([TopicPartition(TRANSACTIONS, partition, 0)])
    position = 0
    while position < end:
        # Asked for more than is there, the client would wait for them.
        for message in consumer.consume(min(_AT_ONCE, end - position), _ANSWER_SECONDS):
            if message.error() is None:
                position = message.offset() + 1
                yield parse(message.value(), dict(message.headers() or ()))


def parse(value: bytes, headers: Mapping[str, bytes]) -> SentOrder:
    """One record: amounts are numbers or decimal strings, times without an offset are UTC."""
    order: dict[str, Any] = json.loads(value, parse_float=Decimal)
    timestamp = datetime.fromisoformat(order["timestamp"])
    return SentOrder(
        order["transaction_id"],
        timestamp if timestamp.tzinfo else timestamp.replace(tzinfo=UTC),
        Decimal(order["total_amount"]).quantize(_CENT, ROUND_HALF_UP),
        order.get("category"),
        order.get("country"),
        order.get("quantity") or 1,
        int(headers.get(SENT_AT_HEADER, b"0")),
    )
