"""The outbox: publishes committed anomalies and dead letters to their topics, at least once.

Concurrent transactions commit their identity values out of order, so a reader that polls by "id greater than" skips
rows. Here one publisher at a time assigns positions to committed rows, copies them to Kafka and stores its progress,
all in one transaction on the row of `outbox_progress`; the worker that holds that row's lock is the publisher.

A copy that the broker permanently rejects, because it is too large for the topic, is sent without its value, with a
header that names the omission; the row in PostgreSQL stays complete. No row blocks the rows after it.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final

import asyncpg
import orjson
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from mode import Service
from mode.utils.logging import get_logger

from app.kafka.aiokafka_fixes import RECORD_REFUSED, back_off_after_failures, register_invalid_record_error
from app.metrics import WorkerMetrics
from app.postgres.connections import ANOMALIES_NUMBERED, connect_worker
from app.security import aiokafka_options
from app.settings import Settings
from app.sink.connection import SinkConnection
from app.sink.dead_letters import OUTBOX_CHANNEL
from app.sink.failures import Failure, classify
from app.stream.backoff import Backoff
from app.topics import ANOMALIES, DEAD_LETTERS

Headers = list[tuple[str, bytes]]
#: Header of an incomplete copy: the parts of the row that Kafka rejected, `value` or `key,value`.
LEFT_OUT_HEADER: Final = "left_out"
#: Header of a copy without its value: the size of the value.
VALUE_BYTES_HEADER: Final = "value_bytes"
logger = get_logger(__name__)
_BATCH: Final = 1000
#: Of one batch, or of one larger row: it has to fit memory and be acknowledged in time.
_BATCH_BYTES: Final = 2 * 1024 * 1024
#: Larger than any record the topics accept.
_LARGEST_REQUEST: Final = 16 * 1024 * 1024
_BEYOND_ALL: Final = 2**63 - 1
_POLL_SECONDS: Final = 1.0
#: Then the progress is stored, so that the transaction does not become too long.
_ONE_BY_ONE_SECONDS: Final = 20.0
_EVERYTHING: Final = "everything"
#: Share of the time a transaction may be idle, as it is while it waits for Kafka.
_SEND_SHARE: Final = 0.8
_TAKE_TURN: Final = """
SELECT numbered_position, published_position FROM outbox_progress
WHERE stream = $1 FOR UPDATE SKIP LOCKED"""
_ADVANCE: Final = """
UPDATE outbox_progress
SET numbered_position = $2, published_position = $3, updated_at = CURRENT_TIMESTAMP
WHERE stream = $1"""
#: Resets PostgreSQL's time-out of idle transactions.
_KEEP_ALIVE: Final = "SELECT 1"


@dataclass(frozen=True, slots=True)
class OutboxRecord:
    """A record for Kafka."""

    key: bytes | None
    value: bytes | None
    headers: Headers

    def reduced(self) -> "Iterator[tuple[str, OutboxRecord]]":
        """Yields smaller copies, the largest first, with the name of what is left out."""
        size = str(len(self.value or b"")).encode()
        for left_out, key in (("value", self.key), ("key,value", None)):
            headers = [*self.headers, (LEFT_OUT_HEADER, left_out.encode()), (VALUE_BYTES_HEADER, size)]
            yield left_out, OutboxRecord(key, b"", headers)


@dataclass(frozen=True, slots=True)
class OutboxStream:
    """A table whose rows are numbered and copied to the topic of the stream's name.

    `weight` is SQL for the size of a row in bytes, without its fixed-size columns; `columns` are those that are
    copied, some of them of the tables that `join` adds.
    """

    name: str
    table: str
    to_copy: Callable[[asyncpg.Record], OutboxRecord]
    weight: str = "0"
    columns: str = "t.*"
    join: str = ""


def anomaly_copy(row: asyncpg.Record) -> OutboxRecord:
    """Converts the row's columns, in their order, to JSON with exact numbers; the key is `transaction_id:type`."""
    exact = {name: orjson.Fragment(str(row[name])) for name in ("anomaly_score", "amount", "threshold")}
    value = {**row, **exact}
    key = f"{row['transaction_id']}:{row['anomaly_type']}".encode()
    return OutboxRecord(key, orjson.dumps(value, option=orjson.OPT_UTC_Z), [])


def dead_letter_copy(row: asyncpg.Record) -> OutboxRecord:
    """Copies the raw bytes; their origin and the reason of the rejection are in the headers.

    A record needs a key or a value: one without both is copied with an empty value.
    """
    headers = {
        "source_topic": row["source_topic"],
        "source_partition": str(row["source_partition"]),
        "source_offset": str(row["source_offset"]),
        "reason": row["reason"],
        "stage": row["stage"],
        "time": row["created_at"].isoformat(),
    }
    encoded = [(name, text.encode()) for name, text in headers.items()]
    key, value = row["key"], row["value"]
    return OutboxRecord(key, b"" if key is value is None else value, encoded)


#: The fields of an anomaly's copy, in their order. Score and action are those of the order's verdict, null for an
#: anomaly of before there were any.
_ANOMALY: Final = """
    t.transaction_id, t.user_id, t.anomaly_type, t.anomaly_score, t.amount, t.threshold, t.event_time, t.detected_at,
    t.description, t.position, t.rule_version, t.severity, t.suppressed, v.risk_score, v.action"""
STREAMS: Final = (
    OutboxStream(
        ANOMALIES,
        "transaction_anomalies",
        anomaly_copy,
        columns=_ANOMALY,
        join="LEFT JOIN verdicts v USING (transaction_id)",
    ),
    OutboxStream(
        DEAD_LETTERS,
        "dead_letters",
        dead_letter_copy,
        "coalesce(octet_length(key), 0) + coalesce(octet_length(value), 0)",
    ),
)


class OutboxPublisher(Service):
    """Runs on NOTIFY, or every second, in every worker; the row lock allows one at a time to publish."""

    abstract = False

    def __init__(self, settings: Settings, metrics: WorkerMetrics, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._settings = settings
        self._send_seconds = _SEND_SHARE * settings.postgres.idle_transaction_seconds
        self._metrics = metrics
        self._woken = asyncio.Event()
        self._running = asyncio.Lock()
        self._connection = SinkConnection(self._connect)
        self._producer: AIOKafkaProducer | None = None
        register_invalid_record_error()

    async def on_stop(self) -> None:
        """Waits for a running batch, then closes the connections; an unfinished batch is sent again."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._running.acquire(), self._send_seconds)
        await self._connection.close()
        await self._drop_producer()

    @Service.task
    async def _publish(self) -> None:
        backoff = Backoff(self._settings.postgres.retry_max_seconds)
        while not self.should_stop:
            try:
                for stream in STREAMS:
                    while await self._publish_next(stream):
                        pass
                await self._wait()
                backoff = Backoff(self._settings.postgres.retry_max_seconds)
            except Exception as error:
                self._connection.discard()
                if classify(error) is not Failure.STORE and not isinstance(error, KafkaError):
                    raise
                logger.warning("publishing the outbox failed, retrying: %r", error)
                await self._drop_producer()
                await backoff.pause()

    async def _wait(self) -> None:
        try:
            await asyncio.wait_for(self._woken.wait(), _POLL_SECONDS)
        except TimeoutError:
            return
        finally:
            self._woken.clear()

    async def _publish_next(self, stream: OutboxStream) -> int:
        """Publishes a batch, unless the worker stops."""
        if self.should_stop:
            return 0
        async with self._running:
            return await self._publish_batch(stream)

    async def _publish_batch(self, stream: OutboxStream) -> int:
        """Numbers and copies up to a batch of rows and stores the progress; returns how many were copied."""
        connection = await self._connection.get()
        async with connection.transaction():
            turn = await connection.fetchrow(_TAKE_TURN, stream.name)
            if turn is None:
                return 0
            numbered = turn["numbered_position"]
            numbered += await _number(connection, stream, numbered, _BATCH)
            published = turn["published_position"]
            rows = await _read(connection, stream, published)
            if not rows and numbered == turn["numbered_position"]:
                return 0
            count = await self._send(stream, rows)
            published = rows[count - 1]["position"] if count else published
            await connection.execute(_ADVANCE, stream.name, numbered, published)
        self._metrics.outbox_published.labels(stream.name).inc(count)
        return count

    async def _send(self, stream: OutboxStream, rows: Sequence[asyncpg.Record]) -> int:
        """Copies the rows to Kafka; returns how many of them, from the first on, need not be sent again."""
        copies = [stream.to_copy(row) for row in rows]
        async with asyncio.timeout(self._send_seconds):
            failures = await _send_together(await self._get_producer(), stream.name, copies)
        if not failures:
            return len(copies)
        if not any(isinstance(error, RECORD_REFUSED) for error in failures.values()):
            raise next(iter(failures.values()))
        # An idempotent producer is unusable after a rejection: the broker waits for the rejected sequence number.
        await self._drop_producer()
        return await self._send_one_by_one(stream, copies, sorted(failures))

    async def _send_one_by_one(
        self, stream: OutboxStream, copies: Sequence[OutboxRecord], places: Sequence[int]
    ) -> int:
        """Sends those at `places` one by one, reduced if the broker rejects them; returns the same as `_send`."""
        connection, began = await self._connection.get(), monotonic()
        producer = self._make_producer(idempotent=False)
        try:
            await producer.start()
            for place in places:
                if self.should_stop or monotonic() - began > _ONE_BY_ONE_SECONDS:
                    return place
                await connection.execute(_KEEP_ALIVE)
                async with asyncio.timeout(self._send_seconds):
                    left_out = await _send_reduced(producer, stream.name, copies[place])
                if left_out:
                    self._metrics.outbox_left_out.labels(stream.name, left_out).inc()
                    logger.error(
                        "%s accepts no copy as large as %r: %s was left out, the row in PostgreSQL is complete",
                        stream.name,
                        _name(copies[place]),
                        left_out,
                    )
        finally:
            await producer.stop()
        return len(copies)

    async def _get_producer(self) -> AIOKafkaProducer:
        if self._producer is None:
            self._producer = self._make_producer(idempotent=True)
            await self._producer.start()
        return self._producer

    def _make_producer(self, *, idempotent: bool) -> AIOKafkaProducer:
        """Creates a producer; for an idempotent one the broker drops records sent twice."""
        producer = AIOKafkaProducer(
            **aiokafka_options(self._settings.kafka),
            acks="all",
            enable_idempotence=idempotent,
            max_request_size=_LARGEST_REQUEST,
        )
        back_off_after_failures(producer.client)
        return producer

    async def _drop_producer(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            await producer.stop()

    async def _connect(self) -> asyncpg.Connection:
        connection = await connect_worker(self._settings.postgres, "globalmart-worker outbox")
        await _prepare(connection)
        await connection.add_listener(OUTBOX_CHANNEL, lambda *_: self._woken.set())
        return connection


async def _send_together(
    producer: AIOKafkaProducer, topic: str, copies: Sequence[OutboxRecord]
) -> dict[int, Exception]:
    """Sends all and waits for every answer; returns the errors by position."""
    waiting: dict[int, asyncio.Future[Any]] = {}
    failures: dict[int, Exception] = {}
    for place, copy in enumerate(copies):
        try:
            waiting[place] = await _begin(producer, topic, copy)
        except RECORD_REFUSED as error:
            failures[place] = error
    answers = await asyncio.gather(*waiting.values(), return_exceptions=True)
    for place, answer in zip(waiting, answers, strict=True):
        if isinstance(answer, Exception):
            failures[place] = answer
        elif isinstance(answer, BaseException):
            raise answer
    return failures


async def _send_reduced(producer: AIOKafkaProducer, topic: str, copy: OutboxRecord) -> str:
    """Sends as much of the copy as the broker accepts; returns the name of what was left out."""
    for left_out, part in (("", copy), *copy.reduced()):
        try:
            await (await _begin(producer, topic, part))
            return left_out
        except RECORD_REFUSED:
            continue
    return _EVERYTHING


async def _begin(producer: AIOKafkaProducer, topic: str, copy: OutboxRecord) -> asyncio.Future[Any]:
    begun: asyncio.Future[Any] = await producer.send(topic, copy.value, key=copy.key, headers=copy.headers)
    return begun


def _name(copy: OutboxRecord) -> str:
    """Returns the position of the row's source record, or its key."""
    headers = dict(copy.headers)
    if "source_topic" not in headers:
        return (copy.key or b"").decode("utf-8", "replace")
    topic, partition, offset = (headers[f"source_{part}"].decode() for part in ("topic", "partition", "offset"))
    return f"{topic}[{partition}]@{offset}"


async def _prepare(connection: asyncpg.Connection) -> None:
    """Runs every statement once without effect, so that each is prepared before the row is locked.

    A new statement is sent in two steps; a publisher stopped between them would hold its row until it continues.
    """
    await connection.fetchrow(_TAKE_TURN, "")
    await connection.execute(_ADVANCE, "", 0, 0)
    for stream in STREAMS:
        await _number(connection, stream, 0, 0)
        await _read(connection, stream, _BEYOND_ALL)


async def _number(connection: asyncpg.Connection, stream: OutboxStream, last: int, limit: int) -> int:
    """Assigns the next positions to up to `limit` committed rows without one; returns how many were assigned.

    The last position counts: a row deleted at the same time leaves a gap, and no position is assigned twice.
    """
    places = await connection.fetch(
        f"""
        WITH batch AS (
            SELECT id, row_number() OVER (ORDER BY id) AS place FROM (
                SELECT id FROM {stream.table} WHERE position IS NULL ORDER BY id LIMIT $2
            ) AS unnumbered
        )
        UPDATE {stream.table} t SET position = $1 + batch.place FROM batch WHERE t.id = batch.id
        RETURNING batch.place""",
        last,
        limit,
    )
    count: int = max((row["place"] for row in places), default=0)
    if count and stream.name == ANOMALIES:
        await connection.execute(f"NOTIFY {ANOMALIES_NUMBERED}")
    return count


async def _read(connection: asyncpg.Connection, stream: OutboxStream, published: int) -> list[asyncpg.Record]:
    rows: list[asyncpg.Record] = await connection.fetch(
        f"""
        SELECT {stream.columns} FROM {stream.table} t JOIN (
            SELECT id, sum({stream.weight}) OVER (ORDER BY position) - ({stream.weight}) AS bytes_before
            FROM (
                SELECT * FROM {stream.table} WHERE position > $1 ORDER BY position LIMIT {_BATCH}
            ) AS next
        ) AS weighed USING (id) {stream.join}
        WHERE bytes_before < {_BATCH_BYTES} ORDER BY position""",
        published,
    )
    return rows
