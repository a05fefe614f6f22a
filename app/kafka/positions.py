"""The consumer's position in each source partition, and the paused partitions.

A paused partition is not fetched: its next offset is not known yet. It is resumed by an offset from the ledger, never
by the one committed to Kafka. Pure offset tracking, on the event loop's thread only.
"""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

PartitionT = TypeVar("PartitionT", bound=Hashable)


@dataclass(slots=True)
class Positions(Generic[PartitionT]):
    """Next offset per resumed partition, an epoch per partition, and the pending seeks."""

    _next: dict[PartitionT, int] = field(default_factory=dict)
    _epochs: dict[PartitionT, int] = field(default_factory=dict)
    _seeks: dict[PartitionT, int] = field(default_factory=dict)
    _sought: dict[PartitionT, int] = field(default_factory=dict)

    def pause(self, partitions: Iterable[PartitionT]) -> None:
        """Deletes the positions; records fetched before belong to an older epoch."""
        for partition in partitions:
            self._epochs[partition] = self.epoch(partition) + 1
            for offsets in (self._next, self._seeks, self._sought):
                offsets.pop(partition, None)

    def resume_at(self, partition: PartitionT, offset: int) -> None:
        """Continues at the offset: a seek is due before the next fetch."""
        self._epochs[partition] = self.epoch(partition) + 1
        self._next[partition] = self._seeks[partition] = offset
        self._sought.pop(partition, None)

    def take_seeks(self) -> Mapping[PartitionT, int]:
        """Returns the pending seeks and marks them as done."""
        due, self._seeks = self._seeks, {}
        self._sought.update(due)
        return due

    def is_contiguous(self, partition: PartitionT, first_offset: int) -> bool:
        """Whether a batch that begins at the offset skips no record.

        Offsets may be missing in Kafka (control records, compaction), but a gap is accepted only right after a seek
        to exactly this position: otherwise it could as well be a client that dropped records.
        """
        position = self._next.get(partition)
        if position is None or first_offset < position:
            return False
        return first_offset == position or self.was_sought(partition)

    def was_sought(self, partition: PartitionT) -> bool:
        """Whether the client's last seek was to exactly this position, so that offsets it skips have no record."""
        position = self._next.get(partition)
        return position is not None and self._sought.get(partition) == position

    def has_gap(self, partition: PartitionT, first_offset: int) -> bool:
        """Whether a contiguous batch begins beyond the position: the gap was deleted, or never held a record."""
        position = self._next.get(partition)
        return position is not None and first_offset > position and self.is_contiguous(partition, first_offset)

    def advance(self, partition: PartitionT, offset: int) -> None:
        """Sets the offset at which the next chunk starts."""
        self._next[partition] = offset

    def position(self, partition: PartitionT) -> int | None:
        """Next offset, None while the partition is paused."""
        return self._next.get(partition)

    def epoch(self, partition: PartitionT) -> int:
        """Number of times the partition was paused or resumed."""
        return self._epochs.get(partition, 0)

    def resumed(self) -> frozenset[PartitionT]:
        """Partitions that may be fetched."""
        return frozenset(self._next)
