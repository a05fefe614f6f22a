"""One transaction for the chunks that wait: fence, insert, judge, advance the ledger, commit.

A large chunk is copied to a stage before any shared lock is taken: no time-out of PostgreSQL ends a COPY whose client
was stopped. The fence is the ledger's row: a chunk commits only if it begins at the ledger's next offset, so a replay,
a rebalance or a resumed zombie worker changes nothing. Orders are judged by the newest edition of the rules, which is
checked with the fence.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Generic
from weakref import WeakSet

import asyncpg

from app.domain.pseudonyms import Personal
from app.domain.watermark import advance_watermark
from app.events.pseudonymize import without_erased
from app.events.rows import RowT
from app.fraud.judging import Judge
from app.sink import ledger
from app.sink.anomaly_detector import Detector
from app.sink.chunk_slice import ChunkSlice, CommitResult, Duplicates
from app.sink.dead_letters import NOTIFY_PUBLISHER, insert_dead_letters, prepare_dead_letters
from app.sink.fault_points import FaultPoint, FaultPoints
from app.sink.inserter import FEW_ROWS, Inserter
from app.sink.ledger import Fence, Progress
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
        (result,) = await self.commit_together(connection, [(state, part)])
        return result

    async def commit_together(
        self, connection: asyncpg.Connection, group: Sequence[tuple[PartitionState, ChunkSlice[RowT]]]
    ) -> list[CommitResult[RowT]]:
        """Commits slices of different partitions, all or none, and returns their results; raises as `commit`.

        Several slices may have 100 rows in all. They take three round trips: begin and fence, insert, advance and
        commit.
        """
        topic, slices = self._stored.name, [_Slice(state, part, self._stored.topic.personal) for state, part in group]
        await self._prepare_once(connection)
        await self._faults.reached(FaultPoint.BEFORE_BEGIN, topic, connection)
        async with _rolled_back_on_error(connection):
            judge, duplicates = await self._insert(connection, slices)
            await self._faults.reached(FaultPoint.AFTER_INSERT, topic, connection)
            results = [
                await self._account(connection, one, judge, found)
                for one, found in zip(slices, duplicates, strict=True)
            ]
            await self._faults.reached(FaultPoint.BEFORE_COMMIT, topic, connection)
            await connection.execute(self._advance_and_commit(slices, results))
        await self._faults.reached(FaultPoint.AFTER_COMMIT, topic, connection)
        return results

    async def _insert(
        self, connection: asyncpg.Connection, slices: Sequence["_Slice[RowT]"]
    ) -> tuple[Judge | None, list[Duplicates]]:
        """Begins, passes the fence and inserts the rows; returns who judges them, and the duplicates of each slice."""
        parts = [one.part for one in slices]
        if sum(len(part.decoded.rows) for part in parts) <= FEW_ROWS:
            await self._faults.reached(FaultPoint.AFTER_COPY, self._stored.name, connection)
            judge = await self._pass_fence(connection, slices, "BEGIN; ")
            duplicates = await self._inserter.insert(connection, parts)
        else:
            (part,) = parts
            await connection.execute("BEGIN")
            await self._inserter.stage(connection, part)
            await self._faults.reached(FaultPoint.AFTER_COPY, self._stored.name, connection)
            judge = await self._pass_fence(connection, slices)
            duplicates = [await self._inserter.insert_staged(connection, part)]
        return judge, [
            await self._inserter.compare_as_sent(connection, one.sent, found) if found and one.is_erased else found
            for one, found in zip(slices, duplicates, strict=True)
        ]

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

    async def _pass_fence(
        self, connection: asyncpg.Connection, slices: Sequence["_Slice[RowT]"], before: str = ""
    ) -> Judge | None:
        """Locks the ledger rows of all slices, in the round trip of the statements `before`.

        Returns the judge by the newest edition, for a topic that is judged. A newer edition is loaded here.
        """
        fences, detector = [one.fence for one in slices], self._detector
        judge = None if detector is None else detector.judge
        passed = await self._lock_rows(connection, fences, judge, before)
        while not passed and detector is not None and judge is not None:
            judge = await detector.newer(connection, judge)
            passed = judge is not None and await self._lock_rows(connection, fences, judge)
        if not passed:
            raise FencedError(f"the ledger of {self._stored.name} differs from one of {fences}")
        await self._faults.reached(FaultPoint.AFTER_FENCE, self._stored.name, connection)
        return judge

    async def _lock_rows(
        self, connection: asyncpg.Connection, fences: Sequence[Fence], judge: Judge | None, before: str = ""
    ) -> bool:
        edition = None if judge is None else judge.rulebook.edition
        status = await connection.execute(before + ledger.fence(self._stored.name, fences, edition))
        return bool(status == f"SELECT {len(fences)}")

    async def _account(
        self, connection: asyncpg.Connection, one: "_Slice[RowT]", judge: Judge | None, duplicates: Duplicates
    ) -> CommitResult[RowT]:
        """Judges the accepted rows, stores the dead letters, and returns how far the ledger advances."""
        state, part = one.state, one.part
        decoded = part.decoded
        rows, timestamps_us = part.accepted(duplicates)
        anomalies: Sequence[str] = ()
        horizon_us, edition = state.progress.horizon_us, state.progress.edition
        if self._detector is not None and judge is not None and state.sales is not None:
            sent, _ = one.sent.accepted(duplicates)
            anomalies = await self._detector.detect(
                connection, judge, part.partition, state.sales, rows, sent, timestamps_us
            )
            horizon_us, edition = state.sales.next_horizon(), judge.rulebook.edition
        dead_letters = decoded.dead_letters
        await insert_dead_letters(connection, self._stored.name, part.partition, dead_letters)
        watermark_us, late = advance_watermark(state.progress.watermark_us, timestamps_us, self._allowed_lateness_us)
        progress = Progress(part.end, watermark_us, horizon_us, state.progress.erasures, edition)
        counts = part.counts(duplicates, late)
        rejections = [letter.reason.value for letter in dead_letters]
        return CommitResult(part.partition, progress, rows, timestamps_us, counts, anomalies, rejections)

    def _advance_and_commit(self, slices: Sequence["_Slice[RowT]"], results: Sequence[CommitResult[RowT]]) -> str:
        """SQL that ends the transaction; the outbox publisher is notified of what it has to publish."""
        topic = self._stored.name
        statements = [ledger.advance(topic, result.partition, result.progress, result.counts) for result in results]
        for one, result in zip(slices, results, strict=True):
            edition = result.progress.edition
            if edition is not None and edition != one.state.progress.edition:
                statements.append(ledger.judge(topic, result.partition, one.part.start, edition))
        if any(result.anomalies or result.rejections for result in results):
            statements.append(NOTIFY_PUBLISHER)
        return "; ".join((*statements, "COMMIT"))


class _Slice(Generic[RowT]):
    """A slice as sent, the state it continues, and the slice as stored: without the ids of erased users."""

    def __init__(self, state: PartitionState, sent: ChunkSlice[RowT], personal: Mapping[str, Personal]) -> None:
        self.state = state
        self.sent = sent
        self.part = sent
        if state.erased:
            self.part = replace(sent, decoded=without_erased(sent.decoded, state.erased, personal))

    @property
    def is_erased(self) -> bool:
        """Whether an erased user was in it."""
        return self.part.decoded.rows is not self.sent.decoded.rows

    @property
    def fence(self) -> Fence:
        """What the ledger must say."""
        return Fence(self.sent.partition, self.sent.start, self.state.progress.erasures)


@asynccontextmanager
async def _rolled_back_on_error(connection: asyncpg.Connection) -> AsyncIterator[None]:
    try:
        yield
    except BaseException:
        if not connection.is_closed():
            await connection.execute("ROLLBACK")
        raise
