"""What rows and records of every topic have in common."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from app.events.rejections import DeadLetter


class SourceRow(Protocol):
    """What every row has: the offset of its record, and its values one by one."""

    def __iter__(self) -> Iterator[Any]:
        """The values, in the order of the stage's columns."""

    @property
    def source_offset(self) -> int:
        """Offset of the record in its source partition."""


RowT = TypeVar("RowT", bound=SourceRow)


class SourceRecord(Protocol):
    """What decoding needs of a Kafka record; `timestamp` is in milliseconds."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None

    @property
    def headers(self) -> Sequence[tuple[str, bytes | None]]:
        """Name and value of each header; a producer may leave the value out."""


@dataclass(slots=True)
class DecodedRecords(Generic[RowT]):
    """Records of one chunk sorted out: rows with their instants side by side, and dead letters."""

    rows: list[RowT] = field(default_factory=list)
    timestamps_us: list[int] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    rounded_offsets: list[int] = field(default_factory=list)
    assumed_utc_offsets: list[int] = field(default_factory=list)
