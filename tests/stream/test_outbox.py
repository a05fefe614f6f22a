"""The outbox on real Kafka and PostgreSQL: gapless positions, every row on its topic at least once."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from time import monotonic
from typing import Any

import asyncpg
import pytest
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition
from prometheus_client import CollectorRegistry

from app.kafka.admin import create_topics
from app.metrics import WorkerMetrics
from app.postgres.connections import ANOMALIES_NUMBERED
from app.sink.dead_letters import NOTIFY_PUBLISHER, insert_dead_letters
from app.stream.outbox import OutboxPublisher, OutboxStream
from app.topics import ANOMALIES, DEAD_LETTERS
from compose.embedded.stack import EmbeddedStack
from tests.sink.chunk_slices import NOON, letter
from tests.support.databases import Database
from tests.support.waiting import PATIENCE_SECONDS, until, wait_until

PARTITIONS = 6
_INSERT = """
INSERT INTO transaction_anomalies (transaction_id, user_id, amount, anomaly_score, anomaly_type,
    detected_at, description, event_time, threshold)
SELECT id, 'ada', 9999999999.99, 2000000.0000, 'high_value', $2, 'text', $2, 5000.00
FROM unnest($1::TEXT[]) AS id"""
_VERDICT = """
INSERT INTO verdicts (transaction_id, user_id, amount, event_time, detected_at, edition, risk_score, action, severity,
    reasons, source_partition, source_offset)
VALUES ($1, 'ada', 9999999999.99, now(), now(), 1, 70, 'review', 'critical', '[]', 0, 0)"""


class Topic:
    """What has been written to a topic since this was made."""

    def __init__(self, bootstrap: str, name: str) -> None:
        create_topics(bootstrap, PARTITIONS, 1, 48.0)
        self._consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "outbox-test", "log_level": 0})
        partitions = [TopicPartition(name, number) for number in range(PARTITIONS)]
        for partition in partitions:
            partition.offset = self._end(partition)
        self._consumer.assign(partitions)
        self.messages: list[Message] = []

    def _end(self, partition: TopicPartition) -> int:
        """End of the partition; a new one has no leader for a moment."""
        found: list[int] = []

        def answered() -> bool:
            try:
                found.append(self._consumer.get_watermark_offsets(partition, timeout=5)[1])
            except KafkaException:
                return False
            return True

        wait_until(answered)
        return found[0]

    def read(self, count: int) -> list[Message]:
        """At least so many messages, or what there is at the deadline."""
        deadline = monotonic() + PATIENCE_SECONDS
        while len(self.messages) < count and monotonic() < deadline:
            message = self._consumer.poll(0.1)
            if message is not None:
                assert message.error() is None
                self.messages.append(message)
        return self.messages

    def close(self) -> None:
        """Leave."""
        self._consumer.close()


@pytest.fixture
def anomalies(stack: EmbeddedStack) -> Iterator[Topic]:
    """The topic `anomalies` from now on."""
    topic = Topic(stack.kafka.bootstrap, ANOMALIES)
    yield topic
    topic.close()


@pytest.fixture
def dead_letters(stack: EmbeddedStack) -> Iterator[Topic]:
    """The topic `dead_letters` from now on."""
    topic = Topic(stack.kafka.bootstrap, DEAD_LETTERS)
    yield topic
    topic.close()


async def _raise(connection: asyncpg.Connection, *ids: str) -> None:
    await connection.execute(_INSERT, ids, NOON)
    await connection.execute(NOTIFY_PUBLISHER)


@asynccontextmanager
async def publishing(
    database: Database, kind: type[OutboxPublisher] = OutboxPublisher, number: int = 1
) -> AsyncIterator[Sequence[OutboxPublisher]]:
    """Publishers of so many workers, running."""
    metrics = WorkerMetrics(CollectorRegistry())
    publishers = [kind(database.settings, metrics) for _ in range(number)]
    for publisher in publishers:
        await publisher.start()
    try:
        yield publishers
    finally:
        for publisher in publishers:
            await publisher.stop()


async def _published(database: Database, stream: str, position: int) -> None:
    query = "SELECT 1 FROM outbox_progress WHERE stream = $1 AND published_position = $2"

    async def holds() -> bool:
        return bool(await database.fetch(query, stream, position))

    await until(holds)


async def _positions(database: Database) -> dict[str, int]:
    rows = await database.fetch("SELECT transaction_id, position FROM transaction_anomalies")
    return {row["transaction_id"]: row["position"] for row in rows}


def _json(message: Message) -> dict[str, Any]:
    value = message.value()
    assert isinstance(value, bytes)
    decoded: dict[str, Any] = json.loads(value, parse_float=Decimal)
    return decoded


async def test_an_anomaly_reaches_its_topic_exactly(database: Database, anomalies: Topic) -> None:
    async with database.worker() as worker, publishing(database):
        await worker.execute(_VERDICT, "t1")
        await _raise(worker, "t1", "t2")
        await _published(database, ANOMALIES, 2)
    messages = {message.key(): message for message in anomalies.read(2)}
    message = messages[b"t1:high_value"]
    without = _json(messages[b"t2:high_value"])
    assert (without["risk_score"], without["action"]) == (None, None)
    assert b'"amount":9999999999.99,' in (message.value() or b"")
    assert _json(message) == {
        "transaction_id": "t1",
        "user_id": "ada",
        "anomaly_type": "high_value",
        "anomaly_score": Decimal("2000000.0000"),
        "amount": Decimal("9999999999.99"),
        "threshold": Decimal("5000.00"),
        "event_time": "2026-03-01T12:00:00Z",
        "detected_at": "2026-03-01T12:00:00Z",
        "description": "text",
        "position": (await _positions(database))["t1"],
        "rule_version": 1,
        "severity": "medium",
        "suppressed": False,
        "risk_score": 70,
        "action": "review",
    }


async def test_listeners_hear_of_anomalies_once_these_have_positions(database: Database) -> None:
    heard: list[str] = []
    async with database.reader() as reader, database.worker() as worker:
        await reader.add_listener(ANOMALIES_NUMBERED, lambda *notice: heard.append(notice[2]))
        async with publishing(database):
            await insert_dead_letters(worker, "transactions", 2, [letter(5)])
            await _published(database, DEAD_LETTERS, 1)
            await _raise(worker, "t1")
            await _published(database, ANOMALIES, 1)
        await reader.fetchval("SELECT 1")
        assert heard == [ANOMALIES_NUMBERED]


async def test_a_dead_letter_reaches_its_topic_raw(database: Database, dead_letters: Topic) -> None:
    async with database.worker() as worker, publishing(database):
        bare = letter(6)._replace(key=None, value=None)
        await insert_dead_letters(worker, "transactions", 2, [letter(5), bare])
        await _published(database, DEAD_LETTERS, 2)
    messages = {dict(m.headers() or [])["source_offset"]: m for m in dead_letters.read(2)}
    first = messages[b"5"]
    assert (first.key(), first.value()) == (b"key", b"\x00raw\xff")
    headers: dict[str, object] = dict(first.headers() or [])
    assert set(headers) == {"source_topic", "source_partition", "source_offset", "reason", "stage", "time"}
    assert (headers["source_topic"], headers["source_partition"]) == (b"transactions", b"2")
    assert (headers["reason"], headers["stage"]) == (b"malformed_json", b"decode")
    assert (messages[b"6"].key(), messages[b"6"].value()) == (None, b""), "Kafka wants one of them"


async def test_large_dead_letters_go_in_batches_that_fit(database: Database, dead_letters: Topic) -> None:
    large = [letter(offset)._replace(value=bytes([offset]) * 700_000) for offset in range(7)]
    huge = letter(7)._replace(value=b"h" * 5_000_000)
    sizes = []

    class Weighing(OutboxPublisher):
        async def _send(self, stream: OutboxStream, rows: Sequence[asyncpg.Record]) -> int:
            sizes.append([len(row["value"]) for row in rows])
            return await super()._send(stream, rows)

    async with database.worker() as worker, publishing(database, Weighing):
        await insert_dead_letters(worker, "transactions", 0, [*large, huge, letter(8)])
        await worker.execute(NOTIFY_PUBLISHER)
        await _published(database, DEAD_LETTERS, 9)
    assert sum(map(len, sizes)) == 9
    assert all(sum(batch[:-1]) <= 2 * 1024 * 1024 for batch in sizes), sizes
    offsets = [int(dict(m.headers() or [])["source_offset"]) for m in dead_letters.read(9)]
    assert sorted(offsets) == list(range(9))


async def test_rows_that_commit_out_of_order_get_gapless_positions(database: Database, anomalies: Topic) -> None:
    async with database.worker() as slow, database.worker() as quick, publishing(database):
        transaction = slow.transaction()
        await transaction.start()
        await _raise(slow, "first-id")
        await _raise(quick, "committed-first", "committed-second")
        await _published(database, ANOMALIES, 2)
        await transaction.commit()
        await _published(database, ANOMALIES, 3)
    assert await _positions(database) == {"committed-first": 1, "committed-second": 2, "first-id": 3}
    published = {_json(m)["transaction_id"]: _json(m)["position"] for m in anomalies.read(3)}
    assert published == await _positions(database)


async def test_what_was_rolled_back_leaves_no_gap(database: Database) -> None:
    async with database.worker() as worker, publishing(database):
        transaction = worker.transaction()
        await transaction.start()
        await _raise(worker, "never")
        await transaction.rollback()
        await _raise(worker, "t1")
        await _published(database, ANOMALIES, 1)
    assert await _positions(database) == {"t1": 1}


async def test_two_publishers_share_the_work(database: Database, anomalies: Topic) -> None:
    names = [f"t{n:04}" for n in range(2400)]
    async with database.worker() as worker, publishing(database, number=2):
        for start in range(0, len(names), 300):
            await _raise(worker, *names[start : start + 300])
        await _published(database, ANOMALIES, len(names))
    positions = await _positions(database)
    assert sorted(positions.values()) == list(range(1, len(names) + 1))
    published = Counter((m.key() or b"").decode() for m in anomalies.read(len(names)))
    assert set(published) == {f"{name}:high_value" for name in names}


class Dying(OutboxPublisher):
    """Loses its connection once, after the records were sent and before it is noted."""

    database: Database
    died = False

    async def _send(self, stream: OutboxStream, rows: Sequence[asyncpg.Record]) -> int:
        count = await super()._send(stream, rows)
        if rows and not type(self).died:
            type(self).died = True
            await self.database.terminate((await self._connection.get()).get_server_pid())
        return count


async def test_sent_but_not_noted_is_sent_again(database: Database, anomalies: Topic) -> None:
    class DyingHere(Dying):
        pass

    DyingHere.database = database
    async with database.worker() as worker, publishing(database, DyingHere):
        await _raise(worker, "t1", "t2")
        await _published(database, ANOMALIES, 2)
    assert DyingHere.died
    sent = Counter((message.key() or b"").decode() for message in anomalies.read(4))
    assert sent == {"t1:high_value": 2, "t2:high_value": 2}
    assert sorted((await _positions(database)).values()) == [1, 2]


_PREPARED = "SELECT statement FROM pg_prepared_statements"


class _Recorder(OutboxPublisher):
    """Notes the statements its connection has prepared when it is new, and while the row is held."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.when_new: set[str] = set()
        self.while_held: set[str] = set()

    async def _connect(self) -> asyncpg.Connection:
        connection = await super()._connect()
        self.when_new = await _prepared(connection)
        return connection

    async def _send(self, stream: OutboxStream, rows: Sequence[asyncpg.Record]) -> int:
        count = await super()._send(stream, rows)
        self.while_held |= await _prepared(await self._connection.get())
        return count


async def _prepared(connection: asyncpg.Connection) -> set[str]:
    return {row["statement"] for row in await connection.fetch(_PREPARED)} - {_PREPARED}


async def test_no_statement_is_prepared_while_the_row_is_held(database: Database, anomalies: Topic) -> None:
    """Between a statement's Parse and its Bind no idle time-out ends a session that was stopped."""
    async with publishing(database, _Recorder) as publishers, database.worker() as connection:
        await _raise(connection, "one")
        await _published(database, ANOMALIES, 1)
    (recorder,) = publishers
    assert isinstance(recorder, _Recorder)
    assert recorder.while_held
    assert recorder.while_held <= recorder.when_new


class _Interrupted(OutboxPublisher):
    """Is stopped while its first batch is on its way."""

    stopping: "asyncio.Task[None] | None" = None

    async def _send(self, stream: OutboxStream, rows: Sequence[asyncpg.Record]) -> int:
        if rows and self.stopping is None:
            await self._get_producer()  # a stop waits for what is on its way, not for a first connection
            self.stopping = asyncio.create_task(self.stop())
            await asyncio.sleep(0.5)
        return await super()._send(stream, rows)


async def test_a_stop_waits_until_what_was_sent_is_noted(database: Database, anomalies: Topic) -> None:
    async with publishing(database, _Interrupted) as (publisher,):
        async with database.worker() as connection:
            await _raise(connection, "a", "b")
        await _published(database, ANOMALIES, 2)
        assert isinstance(publisher, _Interrupted)
        assert publisher.stopping is not None
        await publisher.stopping
    async with publishing(database):
        async with database.worker() as connection:
            await _raise(connection, "c")
        await _published(database, ANOMALIES, 3)
    keys = sorted((message.key() or b"").decode() for message in anomalies.read(3))
    assert keys == ["a:high_value", "b:high_value", "c:high_value"]
