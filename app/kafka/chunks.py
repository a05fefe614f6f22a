"""A chunk: the records of one fetch of one partition, passed through Faust as a single message."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.events.rows import SourceRecord


@dataclass(frozen=True, slots=True)
class Chunk:
    """Records of one partition with ascending offsets in `[start, end)`.

    `start` is the consumer's position before the fetch, so offsets missing between it and the first record do not
    exist in Kafka. `epoch` counts the partition's seeks: a chunk of an older epoch is outdated.
    """

    topic: str
    partition: int
    start: int
    records: Sequence[SourceRecord]
    generation: int
    epoch: int

    @property
    def end(self) -> int:
        """Offset after the last record."""
        return self.records[-1].offset + 1
