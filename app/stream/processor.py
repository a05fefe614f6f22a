"""The path of a chunk through the worker: decode, wait, commit, acknowledge."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Generic

from faust.types import TP, EventT

from app.events.decoding import Decoder
from app.events.rows import RowT
from app.kafka.chunks import Chunk
from app.metrics import WorkerMetrics
from app.sink.connection import SinkConnection
from app.stream.commit_workers import CommitWorkers, DecodedChunk
from app.stream.committer import ChunkCommitter
from app.stream.partitions import PartitionManager
from app.stream.record_metrics import record_latency


@dataclass(eq=False)
class ChunkProcessor(Generic[RowT]):
    """Decodes the chunks of one topic and queues them; decoding overlaps with the commit of the chunks before."""

    decoder: Decoder[RowT]
    commit_workers: CommitWorkers
    partitions: PartitionManager
    metrics: WorkerMetrics

    async def process(self, event: EventT) -> None:
        """Decodes the event's chunk and queues it for commit; drops an outdated chunk, which is fetched again."""
        chunk: Chunk = event.value
        if not self.partitions.is_current(chunk):
            return
        began = monotonic()
        decoded = self.decoder.decode(chunk.records)
        decoded_at = monotonic()
        self.metrics.chunk_decode_seconds.labels(chunk.topic).observe(decoded_at - began)
        await self.commit_workers.submit(DecodedChunk(event, chunk, decoded, decoded_at))


@dataclass(eq=False)
class ChunkFinisher(Generic[RowT]):
    """Commits the chunks that a connection takes together, acknowledges and measures them."""

    committer: ChunkCommitter[RowT]
    partitions: PartitionManager
    metrics: WorkerMetrics
    clock: Callable[[], float]

    async def finish(self, connection: SinkConnection, group: Sequence[DecodedChunk]) -> None:
        """Commits the group; a partition whose chunk lies beyond the ledger is opened again."""
        began = monotonic()
        committed = await self.committer.commit_together(connection, [(each.chunk, each.decoded) for each in group])
        duration_seconds = monotonic() - began
        for each, is_committed in zip(group, committed, strict=True):
            if is_committed:
                each.event.ack()
                self._report(each, began, duration_seconds)
            elif self.partitions.is_current(each.chunk):
                self.partitions.reopen(TP(each.chunk.topic, each.chunk.partition))
        self.metrics.transaction_chunks.labels(group[0].chunk.topic).observe(len(group))

    def _report(self, each: DecodedChunk, began: float, duration_seconds: float) -> None:
        metrics, chunk = self.metrics, each.chunk
        metrics.chunk_records.labels(chunk.topic).observe(len(chunk.records))
        metrics.chunk_wait_seconds.labels(chunk.topic).observe(began - each.decoded_at)
        metrics.commit_duration_seconds.labels(chunk.topic).observe(duration_seconds)
        record_latency(metrics, chunk.records, self.clock)
