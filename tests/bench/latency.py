"""Latency at the guide's rates, from the producer's send to the worker's clock after COMMIT, and its parts."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Final

import asyncpg
from prometheus_client.parser import text_string_to_metric_families

from app.domain.quantiles import quantile
from app.postgres.connections import connect_worker
from app.settings import load_settings
from compose.demo.figures import HISTOGRAM, read_buckets, read_metrics
from tests.bench.environments import LEDGER, WORKER

_PINGS: Final = 200
_CHUNKS: Final = "globalmart_chunk_records"
_DECODE: Final = "globalmart_chunk_decode_seconds"
_WAIT: Final = "globalmart_chunk_wait_seconds"
_COMMIT: Final = "globalmart_commit_duration_seconds"
_TOGETHER: Final = "globalmart_transaction_chunks"
_ROUND_TRIPS: Final = 3
#: Counts and milliseconds of the server's flushes of its log.
_FSYNCS: Final = "SELECT sum(fsyncs) AS number, sum(fsync_time) AS ms FROM pg_stat_io WHERE object = 'wal'"


@dataclass(frozen=True, slots=True)
class _Moment:
    """What worker and server have counted up to now."""

    buckets: Mapping[float, float]
    totals: Mapping[str, float]
    fsyncs: int
    fsync_ms: float


async def measure_latency(
    environment: Mapping[str, str],
    metrics_port: int,
    seconds: float,
    server: str,
    condition: AbstractContextManager[Any],
) -> dict[str, Any]:
    """Sends live traffic for some seconds to a worker that is idle, under a condition; quantiles and parts.

    `server` is a connection string past whatever delays the worker. Parts are milliseconds.
    """
    with condition:
        before = await _look(metrics_port, server)
        subprocess.run(
            [sys.executable, "-m", "app.cli", "generate", "--duration", str(seconds)],
            env=dict(environment),
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        sleep(2)
        after = await _look(metrics_port, server)
        round_trip_ms = await _round_trip_ms(environment)
    counts = {bound: count - before.buckets.get(bound, 0) for bound, count in after.buckets.items()}
    return {
        "events": max(counts.values()),
        "p50": quantile(counts, 0.5),
        "p99": quantile(counts, 0.99),
        **_parts(before, after, round_trip_ms),
    }


@contextmanager
def running_worker(environment: Mapping[str, str], log: Path) -> Iterator[None]:
    """A worker process, stopped at the end."""
    with log.open("wb") as output:
        process = subprocess.Popen(WORKER, env=dict(environment), stdout=output, stderr=subprocess.STDOUT)
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=30)


async def time_fsyncs(server: str) -> None:
    """Lets the server time the flushes of its log, which it does not by itself."""
    connection = await asyncpg.connect(server)
    await connection.execute("ALTER SYSTEM SET track_wal_io_timing = on")
    await connection.execute("SELECT pg_reload_conf()")
    await connection.close()


async def caught_up(dsn: str) -> None:
    """Waits until the worker has committed everything in the topic and is idle."""
    connection = await asyncpg.connect(dsn)
    last, unchanged = -1, 0
    while unchanged < 4:
        consumed = int(await connection.fetchval(LEDGER))
        unchanged = unchanged + 1 if consumed == last and consumed else 0
        last = consumed
        await asyncio.sleep(0.5)
    await connection.close()


def _parts(before: _Moment, after: _Moment, round_trip_ms: float) -> dict[str, Any]:
    """Means of the parts of a record's way; `fetch` is what is left: the generator's batch, the broker, the fetch."""
    total = {name: value - before.totals.get(name, 0.0) for name, value in after.totals.items()}

    def mean(name: str) -> float:
        return total[f"{name}_sum"] / max(total[f"{name}_count"], 1)

    steps_ms = {
        name: 1000 * mean(metric) for name, metric in (("decode", _DECODE), ("wait", _WAIT), ("commit", _COMMIT))
    }
    steps_ms["fetch"] = 1000 * mean(HISTOGRAM) - sum(steps_ms.values())
    fsyncs = after.fsyncs - before.fsyncs
    parts = {
        **steps_ms,
        "round_trips_of_commit": _ROUND_TRIPS * round_trip_ms,
        "fsync_of_commit": (after.fsync_ms - before.fsync_ms) / max(fsyncs, 1),
    }
    return {
        "parts_ms": {name: round(value, 2) for name, value in parts.items()},
        "records_per_chunk": round(mean(_CHUNKS), 2),
        "chunks_per_transaction": round(mean(_TOGETHER), 2),
        "transactions": int(total[f"{_TOGETHER}_count"]),
    }


async def _look(metrics_port: int, server: str) -> _Moment:
    page = read_metrics(metrics_port) or ""
    connection = await asyncpg.connect(server)
    try:
        (row,) = await connection.fetch(_FSYNCS)
    finally:
        await connection.close()
    return _Moment(read_buckets(page), _totals(page), int(row["number"] or 0), float(row["ms"] or 0.0))


def _totals(page: str) -> dict[str, float]:
    """Sums and counts of every histogram, over all topics."""
    totals: dict[str, float] = {}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            if sample.name.endswith(("_sum", "_count")):
                totals[sample.name] = totals.get(sample.name, 0.0) + sample.value
    return totals


async def _round_trip_ms(environment: Mapping[str, str]) -> float:
    """Mean time of an empty statement over a connection as the worker's."""
    connection = await connect_worker(load_settings(environment).postgres, "globalmart-bench ping")
    try:
        await connection.fetchval("SELECT 1")
        began = monotonic()
        for _ in range(_PINGS):
            await connection.fetchval("SELECT 1")
        return (monotonic() - began) * 1000 / _PINGS
    finally:
        await connection.close()
