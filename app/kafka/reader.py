"""Reads records of a topic partition from Kafka between two offsets, without group or commits."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final, NamedTuple, Self

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

from app.errors import GlobalMartError
from app.kafka.broker_refusals import BrokerRefusals, list_topics

BATCH_RECORDS: Final = 5_000
STALL_SECONDS: Final = 60.0
CALL_SECONDS: Final = 15.0
POLL_SECONDS: Final = 0.02  # a poll waits this long for a whole batch, also at the end


class KafkaReadError(GlobalMartError):
    """Kafka could not be read."""


class Record(NamedTuple):
    """A Kafka record; `time_ms` is its Kafka timestamp, Unix time in milliseconds."""

    offset: int
    key: bytes | None
    value: bytes | None
    time_ms: int
    headers: tuple[tuple[str, bytes | None], ...] = ()


class KafkaReader:
    """Reads partitions one after the other; used as a context manager."""

    def __init__(self, options: Mapping[str, str], *, uncommitted: bool = False) -> None:
        """`options` are the client's, security included; `uncommitted` also reads records of open transactions."""
        self._options = options
        self._refusals = BrokerRefusals()
        # Without subscribe() and commits the group is only a name that the client requires.
        self._consumer = Consumer(
            {
                **options,
                "error_cb": self._refusals,
                "group.id": "globalmart-reconcile",
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "error",
                "isolation.level": "read_uncommitted" if uncommitted else "read_committed",
                "fetch.wait.max.ms": 10,
                "allow.auto.create.topics": False,
                "queued.min.messages": 20_000,
                "queued.max.messages.kbytes": 32_768,
            }
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    async def cluster_id(self) -> str:
        """Returns the cluster's id."""
        metadata = await self._metadata()
        return str(metadata.cluster_id)

    async def partitions(self, topic: str) -> list[int]:
        """Returns the partition numbers of a topic in order; empty if the topic does not exist."""
        metadata = await self._metadata()
        found = metadata.topics.get(topic)
        return sorted(found.partitions) if found is not None and found.error is None else []

    async def compacts(self, topic: str) -> bool:
        """Whether a topic is compacted; False if the setting cannot be read."""
        resource = ConfigResource(ResourceType.TOPIC, topic)
        admin = AdminClient({**self._options, "error_cb": self._refusals, "log_level": 0})
        request = admin.describe_configs([resource], request_timeout=CALL_SECONDS)[resource]
        try:
            settings = await asyncio.to_thread(request.result, CALL_SECONDS)
        except (KafkaException, TimeoutError):
            return False
        return "compact" in str(settings["cleanup.policy"].value).split(",")

    async def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        """Returns the first offset still there and the offset after the last."""
        where = TopicPartition(topic, partition)
        low, high = await self._call(self._consumer.get_watermark_offsets, where, timeout=CALL_SECONDS)
        return int(low), int(high)

    async def read(self, topic: str, partition: int, start: int, end: int) -> AsyncIterator[list[Record]]:
        """Yields batches of the records with start <= offset < end, in offset order."""
        if start >= end:
            return
        self._consumer.assign([TopicPartition(topic, partition, start)])
        deadline = time.monotonic() + STALL_SECONDS
        while True:
            messages = await self._call(self._consumer.consume, BATCH_RECORDS, POLL_SECONDS)
            batch, finished = _take(messages, end)
            if batch:
                deadline = time.monotonic() + STALL_SECONDS
                yield batch
            if finished:
                return
            if time.monotonic() > deadline:
                raise KafkaReadError(
                    f"{topic}[{partition}]: Kafka has sent nothing for {STALL_SECONDS:.0f} s; is it running?"
                )

    async def _metadata(self) -> Any:
        return await self._call(list_topics, self._consumer, self._refusals, CALL_SECONDS)

    async def _call(self, function: Any, *args: Any, **named: Any) -> Any:
        try:
            return await asyncio.to_thread(function, *args, **named)
        except KafkaException as error:
            reason = self._refusals.last or f"{error.args[0]}; check GLOBALMART_KAFKA_BOOTSTRAP"
            raise KafkaReadError(f"Kafka: {reason}") from None


def _take(messages: list[Message], end: int) -> tuple[list[Record], bool]:
    batch: list[Record] = []
    for message in messages:
        error = message.error()
        if error is not None:
            if error.code() == KafkaError._PARTITION_EOF:
                return batch, True
            raise KafkaReadError(f"{message.topic()}: {error}; offsets may have expired, run again")
        if message.offset() < end:
            batch.append(_record(message))
        if message.offset() >= end - 1:
            return batch, True
    return batch, False


def _record(message: Message) -> Record:
    key, value = _bytes(message.key()), _bytes(message.value())
    return Record(message.offset(), key, value, message.timestamp()[1], _headers(message))


def _headers(message: Message) -> tuple[tuple[str, bytes | None], ...]:
    """Returns the headers by name; none if a name is not UTF-8."""
    try:
        return tuple((name, _bytes(value)) for name, value in message.headers() or ())
    except (UnicodeDecodeError, SystemError):  # the client leaves an exception pending and raises either
        return ()


def _bytes(value: str | bytes | None) -> bytes | None:
    return value.encode("utf-8") if isinstance(value, str) else value
