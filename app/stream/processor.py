"""The path of a chunk through the worker: decode, commit on its partition's connection, acknowledge."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import Generic

from faust.types import TP, EventT

from app.events.decoding import Decoder
from app.events.rows import DecodedRecords, RowT
from app.kafka.chunks import Chunk
from app.metrics import WorkerMetrics
from app.sink.connection import SinkConnection
from app.stream.commit_workers import CommitWorkers
from app.stream.committer import ChunkCommitter
from app.stream.partitions import PartitionManager
from app.stream.record_metrics import record_latency


@dataclass(eq=False)
class ChunkProcessor(Generic[RowT]):
    """Processes the chunks of one topic; decoding overlaps with the commit of the previous chunk."""

    decoder: Decoder[RowT]
    commit_workers: CommitWorkers
    committer: ChunkCommitter[RowT]
    partitions: PartitionManager
    metrics: WorkerMetrics
    clock: Callable[[], float]

    async def process(self, event: EventT) -> None:
        """Decodes the event's chunk and queues it for commit; drops an outdated chunk, which is fetched again."""
        chunk: Chunk = event.value
        if not self.partitions.is_current(chunk):
            return
        decoded = self.decoder.decode(chunk.records)
        await self.commit_workers.submit(chunk.partition, partial(self._commit, event, chunk, decoded))

    async def _commit(
        self, event: EventT, chunk: Chunk, decoded: DecodedRecords[RowT], connection: SinkConnection
    ) -> None:
        started_seconds = monotonic()
        if await self.committer.commit(connection, chunk, decoded):
            event.ack()
            self._report(chunk, monotonic() - started_seconds)
        elif self.partitions.is_current(chunk):
            self.partitions.reopen(TP(chunk.topic, chunk.partition))

    def _report(self, chunk: Chunk, commit_duration_seconds: float) -> None:
        metrics = self.metrics
        metrics.chunk_records.labels(chunk.topic).observe(len(chunk.records))
        metrics.commit_duration_seconds.labels(chunk.topic).observe(commit_duration_seconds)
        record_latency(metrics, chunk.records, self.clock)
