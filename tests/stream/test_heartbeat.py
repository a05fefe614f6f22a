"""A worker's heartbeat: its content, its deletion at the end, and that a failure never stops the worker."""

import asyncio
import json
import os
from collections.abc import Mapping
from typing import Any

import asyncpg
from faust.types import TP
from prometheus_client import CollectorRegistry

from app.metrics import WorkerMetrics
from app.postgres.connections import connect_worker
from app.settings import PostgresSettings
from app.sink.connection import SinkConnection
from app.stream.heartbeat import Heartbeats
from compose.embedded.ports import choose_port
from tests.support.databases import Database
from tests.support.waiting import PATIENCE_SECONDS


def _beating(postgres: PostgresSettings, lags: Mapping[TP, int], metrics: WorkerMetrics | None = None) -> Heartbeats:
    connection = SinkConnection(lambda: connect_worker(postgres, "test heartbeat"))
    return Heartbeats(connection, metrics or WorkerMetrics(CollectorRegistry()), lambda: lags, every_seconds=0.05)


async def _row_of(database: Database, worker: Heartbeats) -> asyncpg.Record | None:
    rows = await database.fetch("SELECT * FROM worker_heartbeats WHERE worker_id = $1", worker.worker_id)
    return rows[0] if rows else None


async def _seen_again(database: Database, worker: Heartbeats, after: Any = None) -> asyncpg.Record:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while (row := await _row_of(database, worker)) is None or row["seen_at"] == after:
            await asyncio.sleep(0.02)
    return row


async def test_it_tells_lag_latency_and_memory_until_it_leaves(database: Database) -> None:
    lags = {TP("transactions", 0): 3, TP("transactions", 1): 4, TP("cart_events", 0): 0}
    metrics = WorkerMetrics(CollectorRegistry())
    metrics.end_to_end_seconds.observe_many([0.001, 0.001, 0.055, 999.0])
    worker = _beating(database.postgres, lags, metrics)
    await worker.start()
    row = await _seen_again(database, worker)
    assert json.loads(row["lag"]) == {"transactions": 7, "cart_events": 0}
    counts = {bound: count for bound, count in json.loads(row["latency"]) if count}
    assert counts == {0.005: 2, 0.06: 1, None: 1}
    assert (row["pid"], row["rss_bytes"] > 1_000_000) == (os.getpid(), True)
    again = await _seen_again(database, worker, after=row["seen_at"])
    assert again["started_at"] == row["started_at"]
    await worker.stop()
    assert await _row_of(database, worker) is None


async def test_only_the_last_minute_counts(database: Database) -> None:
    metrics = WorkerMetrics(CollectorRegistry())
    metrics.end_to_end_seconds.observe_many([1.0])
    worker = _beating(database.postgres, {}, metrics)
    await worker.start()
    seen = None
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            row = await _seen_again(database, worker, after=seen)
            seen = row["seen_at"]
            if not any(count for _, count in json.loads(row["latency"])):
                break
    await worker.stop()


async def test_rows_of_workers_long_gone_are_removed(database: Database) -> None:
    async with database.owner() as owner:
        await owner.execute(
            "INSERT INTO worker_heartbeats (worker_id, host, pid, started_at, seen_at, lag, latency) "
            "SELECT age, 'h', 1, now(), now() - age::INTERVAL, '{}', '[]' "
            "FROM unnest(ARRAY['61 minutes', '30 minutes']) AS age"
        )
    worker = _beating(database.postgres, {})
    await worker.start()
    await _seen_again(database, worker)
    rows = await database.fetch("SELECT worker_id FROM worker_heartbeats WHERE host = 'h'")
    assert [row["worker_id"] for row in rows] == ["30 minutes"]
    await worker.stop()


async def test_a_database_that_is_down_harms_nothing(database: Database) -> None:
    nowhere = database.postgres.model_copy(update={"port": choose_port()})
    worker = _beating(nowhere, {})
    await worker.start()
    await asyncio.sleep(0.3)
    assert not worker.crashed
    await worker.stop()


async def test_a_lock_on_its_table_holds_up_nothing_for_long(database: Database) -> None:
    worker = _beating(database.postgres, {})
    async with database.owner() as owner:
        transaction = owner.transaction()
        await transaction.start()
        await owner.execute("LOCK TABLE worker_heartbeats")
        await worker.start()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await worker.stop()
        await transaction.rollback()
    assert not worker.crashed
