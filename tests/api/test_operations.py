"""The operations page: the ledger by topic, workers, latency, runs, sizes; a store that is down is named."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest

from compose.embedded.stack import EmbeddedStack
from tests.api.marts import everything
from tests.api.serving import answered, api_over
from tests.api.shop import store
from tests.sink.chunk_slices import NOON, order
from tests.support.databases import Database
from tests.support.waiting import PATIENCE_SECONDS

PATH = "/api/v1/operations"
_BEAT = """
INSERT INTO worker_heartbeats (worker_id, host, pid, started_at, seen_at, lag, latency, rss_bytes)
VALUES ($1, 'h', 7, $2, CURRENT_TIMESTAMP - $3::INTERVAL, $4, $5, $6)"""


async def _beat(database: Database, name: str, age_seconds: int, *, lag: int, fast: int) -> None:
    latency = [[0.005, fast], [0.01, 10], [None, 0]]
    async with database.worker() as worker:
        await worker.execute(
            _BEAT,
            name,
            NOON,
            timedelta(seconds=age_seconds),
            json.dumps({"transactions": lag}),
            json.dumps(latency),
            1000,
        )


async def test_topics_workers_and_latency(database: Database, night: Any) -> None:
    await store(database, [order(n) for n in range(3)], [order(3)])
    # Heard of an hour from now: they stay alive however long the test takes.
    await _beat(database, "a", -3600, lag=5, fast=990)
    await _beat(database, "b", -3600, lag=2, fast=0)
    await _beat(database, "gone", 60, lag=900, fast=0)
    async with api_over(database) as client:
        got = await answered(client, PATH)
    (topic,) = got["topics"]
    assert topic == {
        "topic": "transactions",
        "consumed": 4,
        "stored": 4,
        "duplicates": 0,
        "conflicting": 0,
        "dead_lettered": 0,
        "late": 0,
        "lost": 0,
        "watermark": "2026-03-01T12:00:00Z",
        "lag": 7,
    }
    assert [each["worker_id"] for each in got["workers"]] == ["a", "b"]
    assert [each["lag"] for each in got["workers"]] == [{"transactions": 5}, {"transactions": 2}]
    assert got["end_to_end"]["events"] == 1010
    assert float(got["end_to_end"]["p50_seconds"]) == pytest.approx(505 / 990 * 0.005, abs=1e-4)
    assert float(got["end_to_end"]["p99_seconds"]) == pytest.approx(0.0075, abs=3e-3)
    assert float(got["workers"][1]["end_to_end"]["p50_seconds"]) == pytest.approx(0.0075)
    assert got["unavailable"] == []


async def test_runs_of_the_batch_and_sizes(database: Database, warehouse: Any) -> None:
    rows = everything()
    warehouse.publish(NOON.date(), **rows)
    warehouse.stage(NOON.date() + timedelta(days=1), segment_migrations=rows["segment_migrations"])
    async with api_over(database) as client, asyncio.timeout(PATIENCE_SECONDS):
        while not (got := await answered(client, PATH))["stores"]["mongodb"]["bytes"]:
            await asyncio.sleep(0.1)
    assert [(run["number"], run["status"]) for run in got["batch_runs"]] in (
        [(1, "published"), (2, "running")],
        [(2, "running"), (1, "published")],
    )
    (published,) = (run for run in got["batch_runs"] if run["number"] == 1)
    assert published == {
        "number": 1,
        "job": "nightly",
        "as_of": "2026-03-01",
        "status": "published",
        "started": "2026-03-01T02:04:00Z",
        "ended": "2026-03-01T02:04:00Z",
        "error": None,
        "extracted_rows": None,
        "counts": {name: len(each) for name, each in rows.items()},
    }
    tables = {each["name"]: each["bytes"] for each in got["stores"]["postgresql"]["tables"]}
    assert {"transactions", "sales_panes", "worker_heartbeats"} <= tables.keys()
    assert got["stores"]["postgresql"]["bytes"] > sum(tables.values()) > 0
    assert got["stores"]["mongodb"]["bytes"] > 10_000
    assert got["disk"]["total_bytes"] > got["disk"]["free_bytes"] > 0


async def test_without_a_worker_the_lag_is_unknown(database: Database, night: Any) -> None:
    await store(database, [order(0)])
    async with api_over(database) as client:
        got = await answered(client, PATH)
    assert (got["topics"][0]["lag"], got["workers"]) == (None, [])
    assert got["end_to_end"] == {"events": 0, "p50_seconds": None, "p99_seconds": None}


async def test_a_store_that_is_down_is_named_and_the_other_shown(
    database: Database, night: Any, stack: EmbeddedStack
) -> None:
    settings = database.settings
    settings.mongo = settings.mongo.model_copy(update={"connect_timeout_seconds": 1.0})
    async with api_over(database, NOON) as client:
        stack.postgres.stop()
        try:
            got = await answered(client, PATH)
        finally:
            stack.postgres.start()
    assert got["unavailable"] == ["postgresql"]
    assert got["topics"] is got["workers"] is got["end_to_end"] is None
    assert got["stores"]["postgresql"] is None
    assert got["batch_runs"] is not None
    async with api_over(database, NOON) as client:
        await answered(client, "/api/v1/customers/segments")
        stack.mongo.stop()
        try:
            got = await answered(client, PATH)
        finally:
            stack.mongo.start()
    assert got["unavailable"] == ["mongodb"]
    assert got["batch_runs"] is got["stores"]["mongodb"] is None
    assert got["topics"] == []
    assert got["stores"]["postgresql"] is not None
