"""Sends a record to its source topic again, and finds it there after a killed attempt."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, NamedTuple

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from app.errors import GlobalMartError, text_of
from app.kafka.reader import KafkaReader
from app.security import librdkafka_options
from app.settings import KafkaSettings
from app.topics import SENT_AT_HEADER

#: Header of a record that was a dead letter: the position of the rejected record.
REPLAY_OF_HEADER: Final = "replay_of"
_DELIVERY_SECONDS: Final = 30.0


class RecordNotDeliveredError(GlobalMartError):
    """Kafka did not acknowledge records; the message gives their number and the reason."""


class RecordPosition(NamedTuple):
    """Position of a record in its topic."""

    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A record to send; `origin` is the position of the rejected one, `topic[partition]@offset`."""

    topic: str
    origin: str
    key: bytes | None
    value: bytes | None


class ReplaySender:
    """A producer that returns each record's position; it uses the partitioner of the project's other producers."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._bootstrap = kafka.bootstrap
        self._producer = Producer(
            {
                **librdkafka_options(kafka),
                "client.id": "globalmart-dead-letters",
                "enable.idempotence": True,
                "acks": "all",
                "partitioner": "murmur2_random",
                "message.timeout.ms": int(_DELIVERY_SECONDS * 1000),
                "log_level": 0,
            }
        )

    def send(self, records: Sequence[Outgoing], sent_at_ms: int) -> list[RecordPosition]:
        """Sends and waits for every acknowledgement; raises RecordNotDeliveredError if one is missing."""
        places: list[RecordPosition | None] = [None] * len(records)
        problems: list[str] = []

        def delivered(number: int, error: KafkaError | None, message: Message) -> None:
            if error is not None:
                problems.append(error.str())
            else:
                places[number] = RecordPosition(message.partition(), message.offset())

        for number, record in enumerate(records):
            self._produce(record, sent_at_ms, partial(delivered, number))
        self._producer.flush(_DELIVERY_SECONDS + 5)
        found = [place for place in places if place is not None]
        if len(found) < len(records):
            missing = len(records) - len(found)
            raise RecordNotDeliveredError(
                f"Kafka at {self._bootstrap} did not accept {missing} of {len(records)} records "
                f"({'; '.join(sorted(set(problems))) or 'no answer'}); replay them again: records that "
                "did arrive are found and not sent twice"
            )
        return found

    def _produce(self, record: Outgoing, sent_at_ms: int, on_delivery: Any) -> None:
        headers = [(REPLAY_OF_HEADER, record.origin.encode()), (SENT_AT_HEADER, b"%d" % sent_at_ms)]
        try:
            self._producer.produce(record.topic, record.value, record.key, headers=headers, on_delivery=on_delivery)
        except (BufferError, KafkaException) as error:
            raise RecordNotDeliveredError(f"Kafka at {self._bootstrap} accepts no record: {text_of(error)}") from error
        self._producer.poll(0)


async def topic_ends(kafka: KafkaReader, topic: str) -> list[int]:
    """Returns the offset after the last record of each partition, in order."""
    return [(await kafka.bounds(topic, partition))[1] for partition in await kafka.partitions(topic)]


async def find_sent(
    kafka: KafkaReader, topic: str, origins: Sequence[str], since: Sequence[int]
) -> dict[str, RecordPosition]:
    """Finds the records with these origins at or after the offsets `since`; the first of each."""
    wanted, found = {origin.encode() for origin in origins}, dict[str, RecordPosition]()
    for partition, start in enumerate(since):
        low, end = await kafka.bounds(topic, partition)
        async for batch in kafka.read(topic, partition, max(start, low), end):
            for record in batch:
                origin = dict(record.headers).get(REPLAY_OF_HEADER)
                if origin in wanted and origin is not None:
                    found.setdefault(origin.decode(), RecordPosition(partition, record.offset))
    return found
