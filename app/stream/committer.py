"""Commits chunks exactly once.

Several small chunks share a transaction; if it fails for any reason but a bug, each is committed on its own. That
retries while a store is unavailable. It bisects when the database rejects a record, so that only that record becomes a
dead letter. Raises on a bug. After any failure the ledger shows what was committed.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Generic

from faust.types import TP
from mode.utils.logging import get_logger

from app.events.decoding import dead_letter
from app.events.rejections import STAGE_SINK, Reason, RejectedRecord
from app.events.rows import DecodedRecords, RowT
from app.kafka.chunks import Chunk
from app.sink.chunk_slice import ChunkSlice
from app.sink.chunk_transaction import ChunkTransaction, FencedError
from app.sink.connection import SinkConnection
from app.sink.failures import Failure, classify
from app.stream.backoff import Backoff
from app.stream.partitions import PartitionManager

logger = get_logger(__name__)


class ChunkCommitter(Generic[RowT]):
    """Commits decoded chunks of one topic to PostgreSQL and applies each result to its partition."""

    def __init__(
        self, transaction: ChunkTransaction[RowT], partitions: PartitionManager, *, retry_max_seconds: float
    ) -> None:
        self._transaction = transaction
        self._partitions = partitions
        self._retry_max_seconds = retry_max_seconds

    async def commit_together(
        self, connection: SinkConnection, chunks: Sequence[tuple[Chunk, DecodedRecords[RowT]]]
    ) -> list[bool]:
        """Commits chunks of one topic, those of a partition in order; returns for each what `commit` returns."""
        if len(chunks) > 1 and await self._in_one_transaction(connection, chunks):
            return [True] * len(chunks)
        return [await self.commit(connection, chunk, decoded) for chunk, decoded in chunks]

    async def commit(self, connection: SinkConnection, chunk: Chunk, decoded: DecodedRecords[RowT]) -> bool:
        """Returns True once the ledger is past the chunk, False when this worker no longer owns its partition."""
        backoff = Backoff(self._retry_max_seconds)
        part = ChunkSlice(chunk.partition, chunk.start, chunk.end, decoded)
        while self._partitions.is_current(chunk):
            try:
                return await self._commit_unseen(connection, chunk, part)
            except Exception as error:
                self._invalidate(connection, chunk)
                if not isinstance(error, FencedError) and classify(error) is not Failure.STORE:
                    raise
                self._partitions.record_failure(chunk.topic, type(error).__name__)
                logger.warning("commit of %s[%d] failed, retrying: %r", chunk.topic, chunk.partition, error)
            await backoff.pause()
        return False

    async def _in_one_transaction(
        self, connection: SinkConnection, chunks: Sequence[tuple[Chunk, DecodedRecords[RowT]]]
    ) -> bool:
        """Commits all chunks; False when each has to be committed on its own."""
        if not all(self._partitions.is_current(chunk) for chunk, _ in chunks):
            return False
        topic, partitions = chunks[0][0].topic, {chunk.partition for chunk, _ in chunks}
        parts = _joined([ChunkSlice(chunk.partition, chunk.start, chunk.end, decoded) for chunk, decoded in chunks])
        if len(parts) != len(partitions):
            return False
        try:
            group = [
                (await self._partitions.state(await connection.get(), TP(topic, part.partition)), part)
                for part in parts
            ]
            if any(state.progress.next_offset != part.start for state, part in group):
                return False
            results = await self._transaction.commit_together(await connection.get(), group)
        except Exception as error:
            for chunk, _ in chunks:
                self._invalidate(connection, chunk)
            failure = Failure.STORE if isinstance(error, FencedError) else classify(error)
            if failure is Failure.BUG:
                raise
            if failure is Failure.STORE:
                self._partitions.record_failure(topic, type(error).__name__)
            logger.warning("commit of %d chunks of %s failed, committing each: %r", len(chunks), topic, error)
            return False
        for (state, _), result in zip(group, results, strict=True):
            self._partitions.apply(topic, state, result)
        return True

    async def _commit_unseen(self, connection: SinkConnection, chunk: Chunk, part: ChunkSlice[RowT]) -> bool:
        """Commits the rest of the chunk from the ledger's next offset on; False when that lies before the chunk."""
        state = await self._partitions.state(await connection.get(), TP(chunk.topic, chunk.partition))
        next_offset = state.progress.next_offset
        if next_offset < chunk.start:
            return False
        if next_offset < chunk.end:
            await self._commit_range(connection, chunk, part.slice(next_offset, chunk.end))
        return True

    async def _commit_range(self, connection: SinkConnection, chunk: Chunk, part: ChunkSlice[RowT]) -> None:
        """Commits the slice; bisects it when the database rejects a record in it."""
        state = await self._partitions.state(await connection.get(), TP(chunk.topic, chunk.partition))
        try:
            result = await self._transaction.commit(await connection.get(), state, part)
        except Exception as error:
            self._invalidate(connection, chunk)
            if isinstance(error, FencedError) or classify(error) is not Failure.DATA:
                raise
            for half in _isolate(chunk, part, error):
                await self._commit_range(connection, chunk, half)
        else:
            self._partitions.apply(chunk.topic, state, result)

    def _invalidate(self, connection: SinkConnection, chunk: Chunk) -> None:
        connection.discard()
        self._partitions.drop(TP(chunk.topic, chunk.partition))


def _joined(parts: Sequence[ChunkSlice[RowT]]) -> list[ChunkSlice[RowT]]:
    """Returns the slices, those of a partition joined where one follows the other."""
    joined: list[ChunkSlice[RowT]] = []
    for part in sorted(parts, key=lambda part: part.partition):  # stable: those of a partition stay in order
        if joined and (joined[-1].partition, joined[-1].end) == (part.partition, part.start):
            joined[-1] = joined[-1].joined(part)
        else:
            joined.append(part)
    return joined


def _isolate(chunk: Chunk, part: ChunkSlice[RowT], error: Exception) -> list[ChunkSlice[RowT]]:
    """Returns two halves of the slice, or its single record as a dead letter."""
    offsets = part.offsets()
    if len(offsets) > 1:
        middle = offsets[len(offsets) // 2]
        return [part.slice(part.start, middle), part.slice(middle, part.end)]
    if not part.decoded.rows:
        raise error
    record = next(record for record in chunk.records if record.offset == offsets[0])
    detail = f"{getattr(error, 'sqlstate', None) or type(error).__name__}: {error}"
    refused = RejectedRecord(Reason.REJECTED_BY_DATABASE, detail)
    letter = dead_letter(record, refused, STAGE_SINK)
    return [replace(part, decoded=DecodedRecords(dead_letters=[letter]))]
