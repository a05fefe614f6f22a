"""The four agents fed with chunks, against real PostgreSQL.

Faust's test context tracks no messages, so acknowledging ends there; what is committed is read from the ledger.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any, cast

import asyncpg
import pytest
from faust.types import TP

from app.events.rows import SourceRecord
from app.kafka.chunks import Chunk
from app.kafka.consumer import ChunkConsumer
from app.sink import ledger
from app.stream.app import GlobalMartApp
from app.topics import CART_EVENTS, PRODUCT_VIEWS, SYSTEM_METRICS, TRANSACTIONS
from app.worker import create_app
from tests.events.records import KAFKA_MS, Record
from tests.support.databases import Database
from tests.support.waiting import PATIENCE_SECONDS

PARTITION = 3
COMMON = {"user_id": "ada", "session_id": "s", "timestamp": "2026-03-01T12:00:00Z", "product_id": "p"}
EVENTS: dict[str, dict[str, Any]] = {
    TRANSACTIONS: COMMON | {"transaction_id": "#", "total_amount": 5000.01, "category": "Books"},
    PRODUCT_VIEWS: COMMON | {"event_id": "#"},
    CART_EVENTS: COMMON | {"event_id": "#", "action": "checkout", "quantity": 1},
    SYSTEM_METRICS: {
        "host": "ada",
        "component": "api",
        "metric": "#",
        "value": 0.5,
        "timestamp": "2026-03-01T12:00:00Z",
    },
}


def record(topic: str, offset: int, name: str) -> Record:
    """A valid record whose id is the name."""
    event = {field: name if value == "#" else value for field, value in EVENTS[topic].items()}
    return Record(json.dumps(event).encode(), offset=offset, headers=[("sent_at_ms", b"1")])


class Feed:
    """An agent under test: chunks go in, the ledger tells when they are committed."""

    def __init__(self, app: GlobalMartApp, topic: str, agent: Any, connection: asyncpg.Connection) -> None:
        self.app = app
        self._agent = agent
        self._connection = connection
        self._partition = TP(topic, PARTITION)
        self._consumer = cast(ChunkConsumer, app.consumer)

    def assign(self, offset: int) -> None:
        """Let the consumer stand at the offset, as after an assignment."""
        self.app.partitions.assign([self._partition])
        self._consumer._positions.resume_at(self._partition, offset)

    async def put(self, start: int, records: Sequence[SourceRecord], epoch: int = 0) -> None:
        """Hand a chunk of the present epoch, or of an earlier one, to the agent."""
        topic, partition = self._partition
        present = self._consumer._positions.epoch(self._partition)
        generation = self.app.consumer_generation_id
        chunk = Chunk(topic, partition, start, records, generation, present + epoch)
        await self._agent.put(chunk, partition=partition)

    async def committed(self, offset: int) -> None:
        """Wait until the ledger stands at the offset."""
        topic, partition = self._partition
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                progress = await ledger.read_progress(self._connection, topic, [partition])
                if progress[partition].next_offset == offset:
                    return await self.app.commit_workers[topic].idle()
                await asyncio.sleep(0.01)


@asynccontextmanager
async def feed(database: Database, topic: str) -> AsyncIterator[Feed]:
    """The topic's agent of a worker that owns one partition, standing at offset 0."""
    app = create_app(database.settings)
    async with database.worker() as connection, app.commit_workers[topic], app.agents[topic].test_context() as agent:
        await ledger.open_partition(connection, topic, PARTITION, 0)
        made = Feed(app, topic, agent, connection)
        made.assign(0)
        yield made


@pytest.mark.parametrize("topic", list(EVENTS))
async def test_an_agent_stores_its_topic(database: Database, topic: str) -> None:
    records = [record(topic, 0, "a"), record(topic, 1, "b"), record(topic, 2, "a")]
    async with feed(database, topic) as agent:
        await agent.put(0, [*records, Record(b"rubbish", offset=3)])
        await agent.committed(4)
        await agent.put(4, [record(topic, 4, "c")])
        await agent.committed(5)
    rows = await database.fetch(f"SELECT source_partition, source_offset FROM {topic} ORDER BY 2")
    assert [tuple(row) for row in rows] == [(PARTITION, 0), (PARTITION, 1), (PARTITION, 4)]
    (at,) = await database.fetch("SELECT * FROM stream_progress")
    assert (at["topic"], at["partition"], at["next_offset"]) == (topic, PARTITION, 5)
    assert (at["stored"], at["duplicates"], at["dead_lettered"]) == (3, 1, 1)
    (letter,) = await database.fetch("SELECT source_topic, value FROM dead_letters")
    assert tuple(letter) == (topic, b"rubbish")


async def test_orders_are_judged_and_shown(database: Database) -> None:
    async with feed(database, TRANSACTIONS) as agent:
        await agent.put(0, [record(TRANSACTIONS, n, str(n)) for n in range(6)])
        await agent.committed(6)
        velocity = agent.app.tables["user_velocity"][PARTITION]
        assert velocity.timestamps == {"ada": [KAFKA_MS * 1000] * 6}
        for name in ("revenue_by_category", "revenue_by_country"):
            assert list(agent.app.tables[name]) == [PARTITION]
    anomalies = await database.fetch(
        "SELECT anomaly_type, count(*), min(anomaly_score) FROM transaction_anomalies GROUP BY 1 ORDER BY 1"
    )
    assert [tuple(row) for row in anomalies] == [
        ("high_value", 6, Decimal("1.0000")),
        ("rapid_transactions", 1, Decimal("1.2000")),
    ]


async def test_a_void_chunk_is_dropped(database: Database) -> None:
    async with feed(database, PRODUCT_VIEWS) as agent:
        await agent.put(0, [record(PRODUCT_VIEWS, 0, "void")], epoch=-1)
        await agent.put(0, [record(PRODUCT_VIEWS, 0, "good")])
        await agent.committed(1)
    (row,) = await database.fetch("SELECT event_id FROM product_views")
    assert row["event_id"] == "good"


async def test_a_replayed_chunk_changes_nothing(database: Database) -> None:
    records = [record(CART_EVENTS, n, str(n)) for n in range(4)]
    async with feed(database, CART_EVENTS) as agent:
        await agent.put(0, records[:3])
        await agent.committed(3)
        agent.assign(1)
        await agent.put(1, records[1:])
        await agent.committed(4)
    (at,) = await database.fetch("SELECT * FROM stream_progress")
    assert (at["consumed"], at["stored"], at["duplicates"]) == (4, 4, 0)
