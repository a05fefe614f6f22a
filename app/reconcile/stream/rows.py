"""Iterates the rows of one partition in offset order, in parallel with its records."""

from collections.abc import AsyncIterator
from typing import Generic, NamedTuple, TypeVar

from app.reconcile.stream.snapshot import Snapshot, StoredRow


class DeadRow(NamedTuple):
    """A stored dead letter; `time_us` is the record's Kafka timestamp, `erased` if its bytes were deleted."""

    offset: int
    key: bytes | None
    value: bytes | None
    reason: str
    stage: str
    time_us: int
    erased: bool


Row = TypeVar("Row", StoredRow, DeadRow)


class ByOffset(Generic[Row]):
    """Rows of a partition in offset order, returned up to a given offset at a time."""

    def __init__(self, rows: AsyncIterator[Row]) -> None:
        self._rows: AsyncIterator[Row] = rows
        self._next: Row | None = None

    async def below(self, end: int) -> dict[int, Row]:
        """Returns the next rows with an offset below `end`, by offset."""
        taken: dict[int, Row] = {}
        while (row := self._next or await anext(self._rows, None)) is not None:
            self._next = row
            if row.offset >= end:
                break
            taken[row.offset], self._next = row, None
        return taken

    async def rest(self) -> AsyncIterator[Row]:
        """Yields the remaining rows."""
        if self._next is not None:
            yield self._next
        async for row in self._rows:
            yield row


async def dead_rows(snapshot: Snapshot, topic: str, partition: int) -> AsyncIterator[DeadRow]:
    """Yields the dead letters of a partition in offset order."""
    query = (
        "SELECT source_offset, key, value, reason, stage, kafka_time, erased "
        "FROM dead_letters "
        "WHERE source_topic = $1 AND source_partition = $2 ORDER BY source_offset"
    )
    async for row in snapshot.stream(query, topic, partition):
        yield DeadRow(*row)
