"""ChunkSlice: the part of a chunk that one transaction commits, and its CommitResult."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic

from app.events.rows import DecodedRecords, RowT
from app.sink.ledger import Counts, Progress

#: Offsets of a slice's duplicates, and whether the content of each conflicts with the stored row.
Duplicates = dict[int, bool]


@dataclass(frozen=True, slots=True)
class ChunkSlice(Generic[RowT]):
    """Decoded records of one partition with offsets in `[start, end)`."""

    partition: int
    start: int
    end: int
    decoded: DecodedRecords[RowT]

    def slice(self, start: int, end: int) -> "ChunkSlice[RowT]":
        """Returns the part of this slice in `[start, end)`."""
        if start <= self.start and end >= self.end:
            return self
        return ChunkSlice(self.partition, start, end, _slice(self.decoded, start, end))

    def joined(self, following: "ChunkSlice[RowT]") -> "ChunkSlice[RowT]":
        """Returns the slice of both; `following` begins at the end of this one."""
        return ChunkSlice(self.partition, self.start, following.end, _join(self.decoded, following.decoded))

    def offsets(self) -> list[int]:
        """Offsets of all records, ascending."""
        decoded = self.decoded
        rows = [row.source_offset for row in decoded.rows]
        return sorted(rows + [letter.offset for letter in decoded.dead_letters])

    def accepted(self, duplicates: Duplicates) -> tuple[Sequence[RowT], Sequence[int]]:
        """Returns the rows that are not duplicates, and their timestamps in microseconds."""
        rows, timestamps_us = self.decoded.rows, self.decoded.timestamps_us
        if not duplicates:
            return rows, timestamps_us
        kept = [
            (row, timestamp_us)
            for row, timestamp_us in zip(rows, timestamps_us, strict=True)
            if row.source_offset not in duplicates
        ]
        return [row for row, _ in kept], [timestamp_us for _, timestamp_us in kept]

    def counts(self, duplicates: Duplicates, late: int) -> Counts:
        """Returns the ledger's counts of this slice; `late` is the number of late accepted rows."""
        decoded = self.decoded
        return Counts(
            stored=len(decoded.rows) - len(duplicates),
            duplicates=len(duplicates),
            conflicting=sum(duplicates.values()),
            dead_lettered=len(decoded.dead_letters),
            late=late,
            rounded=sum(offset not in duplicates for offset in decoded.rounded_offsets),
            assumed_utc=sum(offset not in duplicates for offset in decoded.assumed_utc_offsets),
        )


@dataclass(frozen=True, slots=True)
class CommitResult(Generic[RowT]):
    """A committed slice: the accepted rows with their timestamps, in offset order, and the counts."""

    partition: int
    progress: Progress
    rows: Sequence[RowT]
    timestamps_us: Sequence[int]
    counts: Counts
    anomalies: Sequence[str] = field(default=())
    rejections: Sequence[str] = field(default=())


def _slice(decoded: DecodedRecords[RowT], start: int, end: int) -> DecodedRecords[RowT]:
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


def _join(first: DecodedRecords[RowT], second: DecodedRecords[RowT]) -> DecodedRecords[RowT]:
    return DecodedRecords(
        rows=[*first.rows, *second.rows],
        timestamps_us=[*first.timestamps_us, *second.timestamps_us],
        dead_letters=[*first.dead_letters, *second.dead_letters],
        rounded_offsets=[*first.rounded_offsets, *second.rounded_offsets],
        assumed_utc_offsets=[*first.assumed_utc_offsets, *second.assumed_utc_offsets],
    )
