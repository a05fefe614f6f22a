"""Sends records to Kafka: idempotent, acknowledged by all replicas, retrying while the broker is unavailable."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from app.errors import GlobalMartError
from app.generator.record import Record
from app.kafka.broker_refusals import BrokerRefusals
from app.security import librdkafka_options
from app.settings import GeneratorSettings, KafkaSettings
from app.topics import COMPRESSION, SENT_AT_HEADER

_QUEUE_RECORDS: Final = 100_000
_QUEUE_KBYTES: Final = 128 * 1024
_POLL_SECONDS: Final = 0.1
_NOTICE_SECONDS: Final = 10.0

Say = Callable[[str], None]


class DeliveryError(GlobalMartError):
    """Kafka rejected records or could not be reached; not all generated records were sent."""


class Sender(Protocol):
    """The destination of records."""

    def send(self, records: Sequence[Record], sent_at_ms: int) -> None:
        """Queues records in order; waits while the queue is full."""


def producer_config(kafka: KafkaSettings, generator: GeneratorSettings, *, bulk: bool) -> dict[str, Any]:
    """Returns librdkafka's configuration; `bulk` trades latency for larger batches.

    Messages never time out: the producer waits for an unavailable broker. The partitioner is the Java client's.
    """
    return {
        **librdkafka_options(kafka),
        "client.id": "globalmart-generator",
        "enable.idempotence": True,
        "acks": "all",
        "message.timeout.ms": 0,
        "partitioner": "murmur2_random",
        "linger.ms": generator.linger_bulk_ms if bulk else generator.linger_live_ms,
        "compression.type": COMPRESSION,
        "batch.size": 1_000_000 if bulk else 200_000,
        "queue.buffering.max.messages": _QUEUE_RECORDS,
        "queue.buffering.max.kbytes": _QUEUE_KBYTES,
        "delivery.report.only.error": True,
        "log.connection.close": False,
        "log_level": 2,
    }


class KafkaSender:
    """Sends through a producer; waits for the broker end when `stopping` returns true."""

    def __init__(self, config: dict[str, Any], say: Say, stopping: Callable[[], bool]) -> None:
        self._say = say
        self._stopping = stopping
        self._bootstrap = config["bootstrap.servers"]
        self._failures: Counter[str] = Counter()
        self._last_notice = float("-inf")
        self._fatal = ""
        self._refusals = BrokerRefusals()
        callbacks = {"error_cb": self._on_error, "on_delivery": self._on_failure}
        self._producer = Producer({**config, **callbacks})

    def wait_for_broker(self) -> bool:
        """Waits until the broker answers; returns False after a stop.

        Raises DeliveryError when brokers reject the login or are not trusted.
        """
        while not self._stopping():
            try:
                self._producer.list_topics(timeout=2.0)
            except KafkaException as error:
                self._producer.poll(0)
                if self._refusals.last:
                    raise DeliveryError(f"Kafka at {self._bootstrap}: {self._refusals.last}") from error
                self._notice(f"waiting for Kafka at {self._bootstrap}: {error.args[0].str()}")
            else:
                return True
        return False

    def send(self, records: Sequence[Record], sent_at_ms: int) -> None:
        """Queues records; waits while the queue is full, until the broker accepts some or a stop."""
        headers = [(SENT_AT_HEADER, b"%d" % sent_at_ms)]
        produce = self._producer.produce
        for topic, key, value, at_us in records:
            while True:
                try:
                    produce(topic, value, key, timestamp=at_us // 1000, headers=headers)
                    break
                except BufferError:
                    self._make_room(topic)
        self._producer.poll(0)
        self._raise_if_fatal()

    def flush(self, timeout_seconds: float) -> None:
        """Waits for queued records; raises DeliveryError if any was rejected or not acknowledged in time."""
        deadline = time.monotonic() + timeout_seconds
        left = len(self._producer)
        while left and time.monotonic() < deadline and not self._fatal:
            left = self._producer.flush(0.5)
        if left:
            self._failures[f"no answer from Kafka at {self._bootstrap}"] += left
            self._producer.purge()
        if self._failures:
            reasons = "; ".join(f"{n} x {reason}" for reason, n in self._failures.most_common())
            raise DeliveryError(f"{self._failures.total()} records were not delivered: {reasons}")

    def _make_room(self, topic: str) -> None:
        """Waits briefly for the queue; raises DeliveryError after a stop."""
        self._producer.poll(_POLL_SECONDS)
        self._raise_if_fatal()
        if self._stopping() and len(self._producer) >= _QUEUE_RECORDS:
            raise DeliveryError(f"stopped while Kafka accepted no more records for {topic}")

    def _raise_if_fatal(self) -> None:
        if self._fatal:
            raise DeliveryError(f"the Kafka producer cannot continue: {self._fatal}; start it again")

    def _on_error(self, error: KafkaError) -> None:
        self._refusals(error)
        if error.fatal():
            self._fatal = error.str()
        else:
            self._notice(f"Kafka at {self._bootstrap}: {error.str()}; waiting, nothing is lost")

    def _on_failure(self, error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            self._failures[error.str()] += 1

    def _notice(self, text: str) -> None:
        now = time.monotonic()
        if now - self._last_notice >= _NOTICE_SECONDS:
            self._last_notice = now
            self._say(text)
