"""One transaction per chunk: copy, fence, insert, judge, account, commit.

The stage is filled before any shared lock is taken: no time-out of PostgreSQL ends a COPY whose client was
stopped. The fence is the ledger's row: it lets a chunk through only where the ledger stands, so a replay, a
rebalance or a worker that comes back from the dead changes nothing.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final, Generic, Self, cast
from weakref import WeakSet

import asyncpg

from app.domain.erasure import NOBODY, ErasedUsers
from app.domain.lateness import advance_watermark
from app.domain.sales_state import SalesState
from app.events.erasing import without_erased
from app.events.rows import RowT
from app.sink import ledger
from app.sink.dead_letters import insert_dead_letters, prepare_dead_letters, wake_publisher
from app.sink.failures import UnencodableError
from app.sink.fault_points import FaultPoint, FaultPoints
from app.sink.judging import Judge
from app.sink.ledger import NO_PARTITION, Counts, Progress
from app.sink.tables import StoredTopic
from app.sink.work import Outcome, Work

#: Up to so many rows travel as arrays. They fit a socket's buffer, so that no worker is stopped half way through
#: sending them while it holds the fence.
_FEW_ROWS: Final = 100


class Fenced(Exception):  # noqa: N818 - an expected outcome
    """The ledger does not stand where the work begins: somebody else has moved on."""


@dataclass(slots=True)
class PartitionState:
    """What a worker remembers of a partition; a function of the rows accepted below `progress.next_offset`.

    `erased` are the users erased from it, as of `progress.erasures`.
    """

    progress: Progress
    sales: SalesState | None = None
    erased: ErasedUsers = NOBODY


@dataclass(frozen=True, slots=True)
class _Statements:
    """The statements over one source of rows."""

    insert: str
    duplicates: str

    @classmethod
    def staged(cls, stored: StoredTopic) -> Self:
        source = f"{stored.stage} s"
        return cls(stored.insert(source), stored.select_duplicates(source))

    @classmethod
    def from_arrays(cls, stored: StoredTopic) -> Self:
        return cls(
            stored.insert(stored.from_arrays(stored.insert_parameters + 1)),
            stored.select_duplicates(stored.from_arrays(2)),
        )


class ChunkTransaction(Generic[RowT]):
    """Commits works of one topic; `judge` is given for transactions only."""

    def __init__(
        self,
        stored: StoredTopic,
        *,
        pane: timedelta,
        allowed_lateness_us: int,
        faults: FaultPoints,
        judge: Judge[RowT] | None = None,
    ) -> None:
        self._stored = stored
        self._pane = pane
        self._allowed_lateness_us = allowed_lateness_us
        self._faults = faults
        self._judge = judge
        self._large = _Statements.staged(stored)
        self._small = _Statements.from_arrays(stored)
        self._prepared: WeakSet[asyncpg.Connection] = WeakSet()

    async def commit(
        self, connection: asyncpg.Connection, state: PartitionState, work: Work[RowT]
    ) -> Outcome[RowT]:
        """Commit the work and answer what came of it.

        Raises Fenced when the ledger stands elsewhere. After any exception the state and the connection are
        not to be trusted: the transaction may have been committed or not.
        """
        topic, sent = self._stored.name, work
        if state.erased:
            work = replace(sent, decoded=without_erased(sent.decoded, state.erased))
        await self._prepare_once(connection)
        await self._faults.reached(FaultPoint.BEFORE_BEGIN, topic, connection)
        async with connection.transaction():
            await self._copy(connection, work)
            await self._faults.reached(FaultPoint.AFTER_COPY, topic, connection)
            await self._pass_fence(connection, work, state.progress.erasures)
            await self._faults.reached(FaultPoint.AFTER_FENCE, topic, connection)
            duplicates = await self._store(connection, work)
            if duplicates and work.decoded.rows is not sent.decoded.rows:
                duplicates = await self._compare_as_sent(connection, sent, duplicates)
            await self._faults.reached(FaultPoint.AFTER_INSERT, topic, connection)
            outcome = await self._account(connection, state, work, duplicates)
            await self._faults.reached(FaultPoint.BEFORE_COMMIT, topic, connection)
        await self._faults.reached(FaultPoint.AFTER_COMMIT, topic, connection)
        return outcome

    async def _prepare_once(self, connection: asyncpg.Connection) -> None:
        """Run every statement without effect, so that each is prepared before any lock is held.

        A worker stopped between a statement's Parse and its Bind looks active to PostgreSQL, and no time-out ends
        that: its locks would keep the next owner out until it goes on.
        """
        if connection in self._prepared:
            return
        no_rows: list[list[object]] = [[] for _ in self._stored.column_names]
        for statements, arrays in ((self._large, []), (self._small, no_rows)):
            await connection.fetchval(
                statements.insert, *self._insert_parameters(NO_PARTITION), *arrays
            )
            await connection.fetch(statements.duplicates, NO_PARTITION, *arrays)
        await ledger.prepare(connection, self._stored.name)
        await prepare_dead_letters(connection)
        if self._judge is not None:
            await self._judge.prepare(connection)
        self._prepared.add(connection)

    async def _copy(self, connection: asyncpg.Connection, work: Work[RowT]) -> None:
        """Bring a large chunk to its stage; a small one travels with the statements."""
        if _is_small(work):
            return
        rows = cast(list[Sequence[object]], work.decoded.rows)
        with _encoding():
            await connection.copy_records_to_table(
                self._stored.stage, records=rows, columns=self._stored.column_names
            )

    async def _pass_fence(
        self, connection: asyncpg.Connection, work: Work[RowT], erasures: int
    ) -> None:
        topic, partition, start = self._stored.name, work.partition, work.start
        if not await ledger.fence(connection, topic, partition, start, erasures):
            raise Fenced(f"{topic}[{partition}] is not at {start} after {erasures} erasures")

    async def _store(self, connection: asyncpg.Connection, work: Work[RowT]) -> dict[int, bool]:
        """Insert the rows; offsets of the duplicates among them and whether each conflicts."""
        if not work.decoded.rows:
            return {}
        statements, arrays = self._large, []
        if _is_small(work):
            statements, arrays = self._small, [*map(list, zip(*work.decoded.rows, strict=True))]
        own = self._insert_parameters(work.partition)
        with _encoding():
            accepted = await connection.fetchval(statements.insert, *own, *arrays)
        missing = len(work.decoded.rows) - accepted
        if not missing:
            return {}
        found = await connection.fetch(statements.duplicates, work.partition, *arrays)
        if len(found) != missing:
            raise asyncpg.SerializationError("a duplicate's first row was deleted meanwhile")
        return {row["source_offset"]: row["conflicting"] for row in found}

    async def _compare_as_sent(
        self, connection: asyncpg.Connection, sent: Work[RowT], duplicates: dict[int, bool]
    ) -> dict[int, bool]:
        """While an erasure is under way a repetition's first row may not be renamed yet: equal as sent is equal."""
        doubtful = [row for row in sent.decoded.rows if duplicates.get(row.source_offset)]
        if not doubtful:
            return duplicates
        arrays = [*map(list, zip(*doubtful, strict=True))]
        found = await connection.fetch(self._small.duplicates, sent.partition, *arrays)
        equal = {row["source_offset"]: False for row in found if not row["conflicting"]}
        return duplicates | equal

    def _insert_parameters(self, partition: int) -> list[Any]:
        return [partition, self._pane][: self._stored.insert_parameters]

    async def _account(
        self,
        connection: asyncpg.Connection,
        state: PartitionState,
        work: Work[RowT],
        duplicates: dict[int, bool],
    ) -> Outcome[RowT]:
        """Judge the accepted rows, keep the dead letters, move the ledger."""
        decoded = work.decoded
        rows, timestamps_us = _accepted(work, duplicates)
        anomalies: Sequence[str] = ()
        horizon_us = state.progress.horizon_us
        if self._judge is not None and state.sales is not None:
            velocity = state.sales.velocity
            anomalies = await self._judge.judge(
                connection, work.partition, velocity, rows, timestamps_us
            )
            horizon_us = velocity.next_horizon()
        letters = decoded.dead_letters
        await insert_dead_letters(connection, self._stored.name, work.partition, letters)
        if anomalies or letters:
            await wake_publisher(connection)
        watermark_us, late = advance_watermark(
            state.progress.watermark_us, timestamps_us, self._allowed_lateness_us
        )
        progress = Progress(work.end, watermark_us, horizon_us, state.progress.erasures)
        counts = _counts(work, duplicates, late)
        await ledger.advance(connection, self._stored.name, work.partition, progress, counts)
        refusals = [letter.reason.value for letter in letters]
        return Outcome(work.partition, progress, rows, timestamps_us, counts, anomalies, refusals)


def _is_small(work: Work[Any]) -> bool:
    return len(work.decoded.rows) <= _FEW_ROWS


@contextmanager
def _encoding() -> Iterator[None]:
    """asyncpg raises these for values it cannot bring into PostgreSQL's format, before it sends them."""
    try:
        yield
    except (ValueError, TypeError, OverflowError) as error:
        raise UnencodableError(str(error)) from error


def _accepted(
    work: Work[RowT], duplicates: dict[int, bool]
) -> tuple[Sequence[RowT], Sequence[int]]:
    rows, timestamps_us = work.decoded.rows, work.decoded.timestamps_us
    if not duplicates:
        return rows, timestamps_us
    kept = [
        (row, timestamp_us)
        for row, timestamp_us in zip(rows, timestamps_us, strict=True)
        if row.source_offset not in duplicates
    ]
    return [row for row, _ in kept], [timestamp_us for _, timestamp_us in kept]


def _counts(work: Work[RowT], duplicates: dict[int, bool], late: int) -> Counts:
    decoded = work.decoded
    return Counts(
        stored=len(decoded.rows) - len(duplicates),
        duplicates=len(duplicates),
        conflicting=sum(duplicates.values()),
        dead_lettered=len(decoded.dead_letters),
        late=late,
        rounded=sum(offset not in duplicates for offset in decoded.rounded_offsets),
        assumed_utc=sum(offset not in duplicates for offset in decoded.assumed_utc_offsets),
    )
