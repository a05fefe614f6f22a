"""One transaction per chunk: copy, fence, insert, detect anomalies, advance the ledger, commit.

The stage is filled before any shared lock is taken: no time-out of PostgreSQL ends a COPY whose client was
stopped. The fence is the ledger's row: a chunk commits only if it begins at the ledger's next offset, so a replay, a
rebalance or a resumed zombie worker changes nothing.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Generic
from weakref import WeakSet

import asyncpg

from app.domain.watermark import advance_watermark
from app.events.pseudonymize import without_erased
from app.events.rows import RowT
from app.sink import ledger
from app.sink.anomaly_detector import Detector
from app.sink.chunk_slice import ChunkSlice, CommitResult, Duplicates
from app.sink.dead_letters import insert_dead_letters, notify_publisher, prepare_dead_letters
from app.sink.fault_points import FaultPoint, FaultPoints
from app.sink.inserter import Inserter
from app.sink.ledger import Progress
from app.sink.partition_state import PartitionState
from app.sink.tables import StoredTopic


class FencedError(Exception):
    """The ledger's next offset is not the slice's start: another transaction has advanced it."""


class ChunkTransaction(Generic[RowT]):
    """Commits slices of one topic; only transactions have a `detector`."""

    def __init__(
        self,
        stored: StoredTopic,
        *,
        pane: timedelta,
        allowed_lateness_us: int,
        faults: FaultPoints,
        detector: Detector[RowT] | None = None,
    ) -> None:
        self._stored = stored
        self._allowed_lateness_us = allowed_lateness_us
        self._faults = faults
        self._detector = detector
        self._inserter: Inserter[RowT] = Inserter(stored, pane)
        self._prepared: WeakSet[asyncpg.Connection] = WeakSet()

    async def commit(
        self, connection: asyncpg.Connection, state: PartitionState, part: ChunkSlice[RowT]
    ) -> CommitResult[RowT]:
        """Commits the slice and returns the result.

        Raises FencedError when the ledger's next offset is another one. After any exception the state and the
        connection are invalid: the transaction may have been committed or not.
        """
        topic, sent = self._stored.name, part
        if state.erased:
            part = replace(sent, decoded=without_erased(sent.decoded, state.erased, self._stored.topic.personal))
        await self._prepare_once(connection)
        await self._faults.reached(FaultPoint.BEFORE_BEGIN, topic, connection)
        async with connection.transaction():
            await self._inserter.stage(connection, part)
            await self._faults.reached(FaultPoint.AFTER_COPY, topic, connection)
            await self._pass_fence(connection, part, state.progress.erasures)
            await self._faults.reached(FaultPoint.AFTER_FENCE, topic, connection)
            duplicates = await self._inserter.insert(connection, part)
            if duplicates and part.decoded.rows is not sent.decoded.rows:
                duplicates = await self._inserter.compare_as_sent(connection, sent, duplicates)
            await self._faults.reached(FaultPoint.AFTER_INSERT, topic, connection)
            result = await self._account(connection, state, part, duplicates)
            await self._faults.reached(FaultPoint.BEFORE_COMMIT, topic, connection)
        await self._faults.reached(FaultPoint.AFTER_COMMIT, topic, connection)
        return result

    async def _prepare_once(self, connection: asyncpg.Connection) -> None:
        """Runs every statement without effect, so that each is prepared before any lock is held.

        A worker stopped between a statement's Parse and its Bind looks active to PostgreSQL, and no time-out ends
        that: its locks would block the next owner until it continues.
        """
        if connection in self._prepared:
            return
        await self._inserter.prepare(connection)
        await ledger.prepare(connection, self._stored.name)
        await prepare_dead_letters(connection)
        if self._detector is not None:
            await self._detector.prepare(connection)
        self._prepared.add(connection)

    async def _pass_fence(self, connection: asyncpg.Connection, part: ChunkSlice[RowT], erasures: int) -> None:
        topic, partition, start = self._stored.name, part.partition, part.start
        if not await ledger.fence(connection, topic, partition, start, erasures):
            raise FencedError(f"{topic}[{partition}] is not at offset {start} with {erasures} erasures")

    async def _account(
        self, connection: asyncpg.Connection, state: PartitionState, part: ChunkSlice[RowT], duplicates: Duplicates
    ) -> CommitResult[RowT]:
        """Detects anomalies, stores the dead letters, advances the ledger."""
        decoded = part.decoded
        rows, timestamps_us = part.accepted(duplicates)
        anomalies: Sequence[str] = ()
        horizon_us = state.progress.horizon_us
        if self._detector is not None and state.sales is not None:
            anomalies = await self._detector.detect(connection, part.partition, state.sales, rows, timestamps_us)
            horizon_us = state.sales.next_horizon()
        dead_letters = decoded.dead_letters
        await insert_dead_letters(connection, self._stored.name, part.partition, dead_letters)
        if anomalies or dead_letters:
            await notify_publisher(connection)
        watermark_us, late = advance_watermark(state.progress.watermark_us, timestamps_us, self._allowed_lateness_us)
        progress = Progress(part.end, watermark_us, horizon_us, state.progress.erasures)
        counts = part.counts(duplicates, late)
        await ledger.advance(connection, self._stored.name, part.partition, progress, counts)
        rejections = [letter.reason.value for letter in dead_letters]
        return CommitResult(part.partition, progress, rows, timestamps_us, counts, anomalies, rejections)
