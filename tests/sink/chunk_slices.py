"""Building blocks of the sink's tests: orders, works, and a sink that commits them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import asyncpg

from app.domain.timestamps import EPOCH, MICROSECOND
from app.events.rejections import STAGE_DECODE, DeadLetter, Reason
from app.events.rows import DecodedRecords, RowT
from app.events.topics.transactions import TransactionRow
from app.sink import ledger
from app.sink.anomaly_detector import AnomalyDetector
from app.sink.chunk_slice import ChunkSlice, CommitResult
from app.sink.chunk_transaction import ChunkTransaction
from app.sink.fault_points import NoFaults
from app.sink.partition_state import PartitionState
from app.sink.tables import STORED_TOPICS, StoredTopic
from app.stream.partition_loader import load_states

NOON: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE_US: Final = 60_000_000
PANE: Final = timedelta(seconds=30)


def order(offset: int, **fields: Any) -> TransactionRow:
    """An order at noon; its id follows from its offset unless given."""
    values: dict[str, Any] = {
        "transaction_id": f"t{offset:06}",
        "user_id": "ada",
        "timestamp": NOON,
        "amount_cents": 1999,
        "category": "Books",
        "country": "UK",
        "payment_method": "card",
        "quantity": 1,
        "product_id": "p1",
        "session_id": "s1",
        "card": None,
        "device": None,
        "ip": None,
        "email": None,
        "source_offset": offset,
    }
    return TransactionRow(**(values | fields))


def letter(offset: int) -> DeadLetter:
    """A refused record at noon."""
    return DeadLetter(
        offset, b"key", b"\x00raw\xff", Reason.MALFORMED_JSON, "broken", STAGE_DECODE, int(NOON.timestamp() * 1000)
    )


def work_of(
    rows: Sequence[RowT], *, partition: int = 0, letters: Sequence[DeadLetter] = (), start: int | None = None
) -> ChunkSlice[RowT]:
    """The work that consists of exactly these records; starts at the first of them unless said."""
    offsets = [row.source_offset for row in rows] + [letter.offset for letter in letters]
    timestamps: list[datetime] = [getattr(row, "timestamp") for row in rows]  # noqa: B009
    decoded = DecodedRecords(
        rows=list(rows),
        timestamps_us=[(timestamp - EPOCH) // MICROSECOND for timestamp in timestamps],
        dead_letters=list(letters),
    )
    first = min(offsets) if start is None else start
    return ChunkSlice(partition, first, max(offsets) + 1, decoded)


class Sink:
    """Commits works of one topic over one connection, with the state as the ledger has it."""

    def __init__(
        self,
        connection: asyncpg.Connection,
        stored: StoredTopic = STORED_TOPICS["transactions"],
        detector: AnomalyDetector | None = None,
    ) -> None:
        self.connection = connection
        self.stored = stored
        self.transaction: ChunkTransaction[Any] = ChunkTransaction(
            stored, pane=PANE, allowed_lateness_us=10 * MINUTE_US, faults=NoFaults(), detector=detector
        )

    async def state(self, partition: int) -> PartitionState:
        """The partition's state, its ledger opened at 0 where there is none."""
        await ledger.open_partition(self.connection, self.stored.name, partition, 0)
        states = await load_states(self.connection, self.stored.name, [partition], 0)
        return states[partition]

    async def commit(self, work: ChunkSlice[Any], state: PartitionState | None = None) -> CommitResult[Any]:
        """Commit the work on freshly loaded state, or on the one given."""
        state = state or await self.state(work.partition)
        result = await self.transaction.commit(self.connection, state, work)
        state.progress = result.progress
        if state.sales is not None:
            state.sales.accept([], [], result.progress.horizon_us, 0)
        return result

    async def commit_together(self, works: Sequence[ChunkSlice[Any]]) -> list[CommitResult[Any]]:
        """Commit the works of several partitions in one transaction, on freshly loaded states."""
        group = [(await self.state(work.partition), work) for work in works]
        return await self.transaction.commit_together(self.connection, group)
