"""The content of the Operations page from both stores; figures of a store that is down are null."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any, Final

import asyncpg
import orjson

from api.mongo_reader import Find
from api.postgres_reader import Database
from api.run_follower import Warehouse
from api.stores import StoreDownError
from app.domain.quantiles import quantile
from app.postgres.heartbeats import SELECT_ALIVE
from app.prometheus import disk_of
from app.published_run import RUNS, Document

#: Outcomes of the consumed records by topic; the watermark is its partitions' greatest.
TOPICS: Final = """
SELECT topic, sum(consumed)::BIGINT AS consumed, sum(stored)::BIGINT AS stored,
    sum(duplicates)::BIGINT AS duplicates, sum(conflicting)::BIGINT AS conflicting,
    sum(dead_lettered)::BIGINT AS dead_lettered, sum(late)::BIGINT AS late, sum(lost)::BIGINT AS lost,
    max(watermark) AS watermark
FROM stream_progress GROUP BY topic ORDER BY topic"""
#: Tables with their indexes, largest first, and the whole database.
SIZES: Final = """
SELECT relname AS name, pg_total_relation_size(oid)::BIGINT AS bytes FROM pg_class
WHERE relnamespace = 'public'::REGNAMESPACE AND relkind IN ('r', 'p') ORDER BY 2 DESC, 1"""
SIZE: Final = "SELECT pg_database_size(current_database())::BIGINT AS bytes"
_RUNS_SHOWN: Final = 20
_RUN_FIELDS: Final = ("number", "job", "as_of", "status", "started", "ended", "error", "counts", "extracted_rows")
_RUNS: Final = Find({}, _RUN_FIELDS, (("started", -1),), _RUNS_SHOWN)
Part = Callable[[], Awaitable[dict[str, Any]]]


async def together(parts: Iterable[Part]) -> dict[str, Any]:
    """Returns the figures of all parts, and the names of the stores that are down."""
    results = await asyncio.gather(*(_read(part) for part in parts))
    down = {part["unavailable"] for part in results if "unavailable" in part}
    figures = {name: value for part in results for name, value in part.items()}
    return {**figures, "unavailable": sorted(down)}


async def stream_part(database: Database) -> dict[str, Any]:
    """Returns topics, workers and latency."""
    topics, workers = await database.fetch(TOPICS), await database.fetch(SELECT_ALIVE)
    lag = _lag(workers)
    counts = [orjson.loads(worker["latency"]) for worker in workers]
    return {
        "topics": [{**topic, "lag": lag.get(topic["topic"])} for topic in topics],
        "end_to_end": _latency(counts),
        "workers": [_worker(worker, latency) for worker, latency in zip(workers, counts, strict=True)],
    }


async def batch_part(warehouse: Warehouse) -> dict[str, Any]:
    """Returns the last runs of the batch, newest first."""
    found = await warehouse.read(lambda mongo: mongo.find(RUNS, _RUNS))
    return {"batch_runs": [_run(document) for document in found]}


async def postgres_size(database: Database) -> dict[str, Any]:
    """Returns the size of PostgreSQL, by table."""
    tables = await database.fetch(SIZES)
    ((size,),) = await database.fetch(SIZE)
    return {"postgresql": {"bytes": size, "tables": [dict(table) for table in tables]}}


async def mongo_size(warehouse: Warehouse) -> dict[str, Any]:
    """Returns the size of the warehouse, read when its run was first served."""
    return {"mongodb": {"bytes": await warehouse.weight_bytes()}}


def disk(folder: Path) -> dict[str, int]:
    """Returns the disk of the data folder, or of its nearest existing parent."""
    _, usage = disk_of(folder)
    return {"total_bytes": usage.total, "free_bytes": usage.free}


async def _read(part: Part) -> dict[str, Any]:
    try:
        return await part()
    except StoreDownError as error:
        return {"unavailable": error.store}


def _lag(workers: Iterable[asyncpg.Record]) -> Counter[str]:
    lag: Counter[str] = Counter()
    for worker in workers:
        lag.update(orjson.loads(worker["lag"]))
    return lag


def _worker(row: asyncpg.Record, latency: list[tuple[float | None, int]]) -> dict[str, Any]:
    known = ("worker_id", "host", "pid", "started_at", "seen_at", "rss_bytes")
    return {**{name: row[name] for name in known}, "lag": orjson.loads(row["lag"]), "end_to_end": _latency([latency])}


def _latency(counts: Iterable[list[tuple[float | None, int]]]) -> dict[str, Any]:
    """Returns quantiles of the last minute over some workers, in seconds."""
    added: Counter[float] = Counter()
    for worker in counts:
        for bound, number in worker:
            added[float("inf") if bound is None else bound] += number
    total, cumulative = 0, {}
    for bound in sorted(added):
        total += added[bound]
        cumulative[bound] = float(total)
    found = [quantile(cumulative, share) for share in (0.5, 0.99)]
    p50, p99 = (None if seconds is None else round(seconds, 4) for seconds in found)
    return {"events": total, "p50_seconds": p50, "p99_seconds": p99}


def _run(document: Document) -> dict[str, Any]:
    run = {name: document.get(name) for name in _RUN_FIELDS}
    return {**run, "as_of": document["as_of"].date(), "counts": document.get("counts") or {}}
