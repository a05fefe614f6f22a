"""A chunk's path without servers: decode, wait, commit, acknowledge."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from prometheus_client import CollectorRegistry

from app.events.rows import DecodedRecords
from app.kafka.chunks import Chunk
from app.metrics import WorkerMetrics
from app.stream.commit_workers import DecodedChunk
from app.stream.processor import ChunkFinisher, ChunkProcessor
from app.topics import TRANSACTIONS
from tests.events.records import Record
from tests.stream.fakes import FakeApp, FakeLoader, partition_manager


@dataclass
class Event:
    """A Faust event that remembers its acknowledgement."""

    value: Chunk
    acked: bool = False

    def ack(self) -> None:
        self.acked = True


@dataclass
class Decoder:
    """Counts what it decodes."""

    decoded: int = 0

    def decode(self, records: Any) -> DecodedRecords[Any]:
        self.decoded += len(records)
        return DecodedRecords()


@dataclass
class Workers:
    """Finishes each chunk at once and remembers its partition."""

    partitions: list[int] = field(default_factory=list)
    finisher: Any = None

    async def submit(self, decoded: DecodedChunk) -> None:
        self.partitions.append(decoded.chunk.partition)
        await self.finisher.finish(None, [decoded])


@dataclass
class Committer:
    """Commits or refuses, as the test decides."""

    commits: bool = True
    before: Callable[[], None] = lambda: None

    async def commit_together(self, connection: Any, chunks: Sequence[Any]) -> list[bool]:
        self.before()
        return [self.commits for _ in chunks]


class Path:
    """A processor and its finisher between the fakes."""

    def __init__(self, committer: Committer) -> None:
        self.app = FakeApp()
        self.decoder, self.workers = Decoder(), Workers()
        self.registry = CollectorRegistry()
        metrics = WorkerMetrics(self.registry)
        partitions = partition_manager(self.app, FakeLoader())
        processor: Any = ChunkProcessor
        finisher: Any = ChunkFinisher
        self.workers.finisher = finisher(committer, partitions, metrics, lambda: 1_000.0)
        self.processor = processor(self.decoder, self.workers, partitions, metrics)
        self.event = Event(Chunk(TRANSACTIONS, 4, 0, [Record(b"{}", headers=[("sent_at_ms", b"999000")])], 1, 1))

    async def process(self) -> None:
        await self.processor.process(self.event)
        await asyncio.sleep(0)


async def test_a_committed_chunk_is_acknowledged_and_measured() -> None:
    path = Path(Committer())
    await path.process()
    assert path.event.acked
    assert (path.decoder.decoded, path.workers.partitions) == (1, [4])
    value = path.registry.get_sample_value
    for name in ("chunk_decode_seconds", "chunk_wait_seconds", "commit_duration_seconds", "transaction_chunks"):
        assert value(f"globalmart_{name}_count", {"topic": TRANSACTIONS}) == 1
    assert value("globalmart_end_to_end_seconds_sum", {}) == 1.0


async def test_an_outdated_chunk_is_dropped_before_it_is_decoded() -> None:
    path = Path(Committer())
    path.app.consumer.current = False
    await path.process()
    assert (path.decoder.decoded, path.workers.partitions, path.event.acked) == (0, [], False)


async def test_a_chunk_beyond_the_ledger_reopens_its_partition() -> None:
    path = Path(Committer(commits=False))
    await path.process()
    assert not path.event.acked
    assert [partition.partition for partition in path.app.consumer.paused] == [4]


async def test_a_chunk_that_was_revoked_meanwhile_reopens_nothing() -> None:
    committer = Committer(commits=False)
    path = Path(committer)
    committer.before = lambda: setattr(path.app.consumer, "current", False)
    await path.process()
    assert (path.event.acked, path.app.consumer.paused) == (False, [])
