"""A run of the fuzzer: a flood in every compression, one worker, its memory, and the recount."""

import asyncio
import json
import time
from collections.abc import Iterable
from itertools import islice
from statistics import median
from typing import Any, Final

import psutil
from confluent_kafka import Producer

from app.topics import DEAD_LETTERS
from tests.chaos.report import judged_table
from tests.faults import topics
from tests.faults.processes import WorkerProcess
from tests.faults.world import World
from tests.fuzz.records import Fuzzer, Wild
from tests.support.waiting import PATIENCE_SECONDS

CODECS: Final = ("none", "gzip", "snappy", "lz4", "zstd")
_BATCH: Final = 2000
_AHEAD_RECORDS: Final = 50_000
_SAMPLE_SECONDS: Final = 0.5
_MEBIBYTE: Final = 1024 * 1024
_LARGEST_BYTES: Final = 10 * _MEBIBYTE
_STALL_SECONDS: Final = 300.0
_EDIT_SECONDS: Final = 0.7
_COPY_BYTES: Final = _MEBIBYTE
_WAITING: Final = """
SELECT (SELECT count(*) FROM dead_letters WHERE position IS NULL)
    + (SELECT count(*) FROM transaction_anomalies WHERE position IS NULL)
    + (SELECT sum(numbered_position - published_position)::bigint FROM outbox_progress)"""


class Flood:
    """One producer per compression; batches go to them in turn."""

    def __init__(self, bootstrap: str) -> None:
        self._producers = [
            Producer(
                {
                    "bootstrap.servers": bootstrap,
                    "compression.type": codec,
                    "linger.ms": 20,
                    "message.max.bytes": _LARGEST_BYTES,
                    "enable.idempotence": True,
                    "log_level": 0,
                    "queue.buffering.max.kbytes": 256 * 1024,
                    "on_delivery": self._note,
                }
            )
            for codec in CODECS
        ]
        self._turn = 0
        self.sent = 0
        self.refused: list[str] = []

    def send(self, records: Iterable[Wild]) -> None:
        """Send a batch and wait until Kafka has taken it."""
        producer = self._producers[self._turn % len(CODECS)]
        self._turn += 1
        for record in records:
            producer.produce(record.topic, record.value, record.key, headers=record.headers, timestamp=record.time_ms)
            self.sent += 1
        assert producer.flush(PATIENCE_SECONDS) == 0, "Kafka did not take all records"
        assert not self.refused, self.refused[:3]

    def _note(self, error: Any, message: Any) -> None:
        if error is not None:
            self.refused.append(str(error))


async def fuzz(world: World, seed: int, count: int) -> dict[str, Any]:
    """Send `count` records and some of 10 MB, while rules change; what became of them and of the worker.

    The topic of refused records takes none of 10 MB.
    """
    topics.set_topic(world.bootstrap, DEAD_LETTERS, max__message__bytes=str(_COPY_BYTES))
    fuzzer, flood = Fuzzer(seed), Flood(world.bootstrap)
    worker = world.worker()
    await asyncio.to_thread(flood.send, fuzzer.large())
    # However slow the machine: what a start and 10 MB values leave behind is no growth.
    await _not_too_far_ahead(world, worker, flood.sent, ahead=0)
    await _all_copied(world, worker)
    memory = asyncio.create_task(_watch_memory(worker))
    began = time.monotonic()
    stream = fuzzer.records(count)
    async with world.changing_rules(seed, _EDIT_SECONDS) as editor:
        while batch := list(islice(stream, _BATCH)):
            await asyncio.to_thread(flood.send, batch)
            await _not_too_far_ahead(world, worker, flood.sent)
        await _not_too_far_ahead(world, worker, flood.sent, ahead=0)
    seconds = time.monotonic() - began
    memory.cancel()
    rss_mb = (await asyncio.gather(memory))[0]
    await _all_copied(world, worker)
    report = await world.recount()
    ends = await asyncio.to_thread(topics.end_offsets, world.bootstrap)
    reasons = await world.sql("SELECT reason, count(*) FROM dead_letters GROUP BY 1 ORDER BY 1")
    return {
        "seed": seed,
        "records": flood.sent,
        "in_kafka": sum(ends.values()),
        "codecs": CODECS,
        "agrees": report.agrees,
        "disagreements": report.kinds,
        "mismatches": [mismatch.message for mismatch in report.mismatches[:20]],
        "changes_of_rules": editor.changes,
        "judged": judged_table(report),
        "topics": {name: figures.found for name, figures in report.topics.items()},
        "dead_letters": {row["reason"]: row["count"] for row in reasons},
        "reduced_copies": report.reduced_copies,
        "awaiting_publication": report.awaiting_publication,
        "worker_exit_code": worker.exit_code,
        "records_per_second": round(flood.sent / seconds),
        "memory_mb": _memory_summary(rss_mb),
        "seconds": round(seconds, 1),
    }


def failures(found: dict[str, Any]) -> list[str]:
    """What is wrong with the outcome; empty when it is as it should be."""
    wrong = []
    if not found["agrees"]:
        wrong.append(f"disagreements: {json.dumps(found['disagreements'])}")
    if found["worker_exit_code"] is not None:
        wrong.append(f"the worker ended with {found['worker_exit_code']}")
    wrong += [f"no order has {table}" for table, rows in found["judged"].items() if not rows]
    if found["awaiting_publication"]:
        wrong.append(f"no copy yet: {json.dumps(found['awaiting_publication'])}")
    if not found["reduced_copies"]:
        wrong.append("no refused record was too large for its copy")
    accounted = sum(
        counts["stored"] + counts["duplicates"] + counts["dead_lettered"] for counts in found["topics"].values()
    )
    if not found["records"] == found["in_kafka"] == accounted:
        wrong.append(f"{found['records']} sent, {found['in_kafka']} in Kafka, {accounted} accounted for")
    return wrong


async def _not_too_far_ahead(world: World, worker: WorkerProcess, sent: int, ahead: int = _AHEAD_RECORDS) -> None:
    """Wait for the worker; one that ended, or does not move for too long, is a failure."""
    last, moved_at = await world.committed(), time.monotonic()
    while last < sent - ahead:
        assert worker.exit_code is None, worker.tail()
        assert time.monotonic() - moved_at < PATIENCE_SECONDS, f"stuck at {last}{worker.tail()}"
        await asyncio.sleep(0.1)
        if (now := await world.committed()) > last:
            last, moved_at = now, time.monotonic()


async def _all_copied(world: World, worker: WorkerProcess) -> None:
    """Wait for the outbox; one that does not move for too long is a failure."""
    waiting, moved_at = await _waiting(world), time.monotonic()
    while waiting:
        assert worker.exit_code is None, worker.tail()
        assert time.monotonic() - moved_at < _STALL_SECONDS, f"{waiting} copies wait{worker.tail()}"
        await asyncio.sleep(0.1)
        if (now := await _waiting(world)) < waiting:
            waiting, moved_at = now, time.monotonic()


async def _waiting(world: World) -> int:
    rows = await world.sql(_WAITING)
    return int(rows[0][0])


async def _watch_memory(worker: WorkerProcess) -> list[float]:
    """Resident memory of the worker, twice a second, until cancelled."""
    process, rss_mb = psutil.Process(worker.pid), []
    try:
        while worker.exit_code is None:
            rss_mb.append(process.memory_info().rss / _MEBIBYTE)
            await asyncio.sleep(_SAMPLE_SECONDS)
    except (asyncio.CancelledError, psutil.NoSuchProcess):
        return rss_mb
    return rss_mb


def _memory_summary(rss_mb: list[float]) -> dict[str, float]:
    """Growth is from the second fifth of the run to the last: the first warms up."""
    fifth = max(1, len(rss_mb) // 5)
    early, late = median(rss_mb[fifth : 2 * fifth] or rss_mb), median(rss_mb[-fifth:])
    return {
        "peak": round(max(rss_mb), 1),
        "early": round(early, 1),
        "late": round(late, 1),
        "growth": round(late - early, 1),
    }
