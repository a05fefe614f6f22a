"""Where the consumer stands in each source partition, and which partitions are held.

A held partition is not fetched: nobody has said yet where to go on. It is released by an offset from the
ledger, never by what Kafka believes was committed. Pure book-keeping, on the event loop's thread only.
"""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

PartitionT = TypeVar("PartitionT", bound=Hashable)


@dataclass(slots=True)
class Positions(Generic[PartitionT]):
    """Next offset per released partition, an epoch per partition, and the seeks still to be made."""

    _next: dict[PartitionT, int] = field(default_factory=dict)
    _epochs: dict[PartitionT, int] = field(default_factory=dict)
    _seeks: dict[PartitionT, int] = field(default_factory=dict)
    _sought: dict[PartitionT, int] = field(default_factory=dict)

    def pause(self, partitions: Iterable[PartitionT]) -> None:
        """Forget the position; whatever was fetched before belongs to an older epoch."""
        for partition in partitions:
            self._epochs[partition] = self.epoch(partition) + 1
            for book in (self._next, self._seeks, self._sought):
                book.pop(partition, None)

    def resume_at(self, partition: PartitionT, offset: int) -> None:
        """Go on at the offset: a seek is due before the next fetch."""
        self._epochs[partition] = self.epoch(partition) + 1
        self._next[partition] = self._seeks[partition] = offset
        self._sought.pop(partition, None)

    def take_seeks(self) -> Mapping[PartitionT, int]:
        """The seeks that are due; they count as made."""
        due, self._seeks = self._seeks, {}
        self._sought.update(due)
        return due

    def is_contiguous(self, partition: PartitionT, first_offset: int) -> bool:
        """Whether a batch that begins at the offset leaves nothing out.

        Offsets may be missing in Kafka (control records, compaction), but that is believed only right after a
        seek to the very position: a client that dropped records looks the same otherwise.
        """
        position = self._next.get(partition)
        if position is None or first_offset < position:
            return False
        return first_offset == position or self.was_sought(partition)

    def was_sought(self, partition: PartitionT) -> bool:
        """Whether the client was last sent to the very position, so that what it goes past is no record."""
        position = self._next.get(partition)
        return position is not None and self._sought.get(partition) == position

    def has_gap(self, partition: PartitionT, first_offset: int) -> bool:
        """Whether a batch that `follows` begins beyond the position: what is missing was deleted, or never a record."""
        position = self._next.get(partition)
        return position is not None and first_offset > position and self.is_contiguous(partition, first_offset)

    def advance(self, partition: PartitionT, offset: int) -> None:
        """A chunk was handed on; the next one starts at the offset."""
        self._next[partition] = offset

    def position(self, partition: PartitionT) -> int | None:
        """Next offset, None while the partition is held."""
        return self._next.get(partition)

    def epoch(self, partition: PartitionT) -> int:
        """How often the partition was held or released."""
        return self._epochs.get(partition, 0)

    def released(self) -> frozenset[PartitionT]:
        """Partitions that may be fetched."""
        return frozenset(self._next)
