"""Work: the part of a chunk that one transaction commits, and what came of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic

from app.events.rows import DecodedRecords, RowT
from app.sink.ledger import Counts, Progress


@dataclass(frozen=True, slots=True)
class Work(Generic[RowT]):
    """Decoded records of one partition with offsets in `[start, end)`."""

    partition: int
    start: int
    end: int
    decoded: DecodedRecords[RowT]

    def between(self, start: int, end: int) -> "Work[RowT]":
        """The part of this work in `[start, end)`."""
        if start <= self.start and end >= self.end:
            return self
        return Work(self.partition, start, end, _between(self.decoded, start, end))

    def offsets(self) -> list[int]:
        """Offsets of all records, rising."""
        decoded = self.decoded
        rows = [row.source_offset for row in decoded.rows]
        return sorted(rows + [letter.offset for letter in decoded.dead_letters])


@dataclass(frozen=True, slots=True)
class Outcome(Generic[RowT]):
    """A committed work: the accepted rows with their instants, in offset order, and the counts."""

    partition: int
    progress: Progress
    rows: Sequence[RowT]
    timestamps_us: Sequence[int]
    counts: Counts
    anomalies: Sequence[str] = field(default=())
    refusals: Sequence[str] = field(default=())


def _between(decoded: DecodedRecords[RowT], start: int, end: int) -> DecodedRecords[RowT]:
    kept = [
        (row, timestamp_us)
        for row, timestamp_us in zip(decoded.rows, decoded.timestamps_us, strict=True)
        if start <= row.source_offset < end
    ]
    return DecodedRecords(
        rows=[row for row, _ in kept],
        timestamps_us=[timestamp_us for _, timestamp_us in kept],
        dead_letters=[letter for letter in decoded.dead_letters if start <= letter.offset < end],
        rounded_offsets=[o for o in decoded.rounded_offsets if start <= o < end],
        assumed_utc_offsets=[o for o in decoded.assumed_utc_offsets if start <= o < end],
    )
