"""A chunk is the range from where the consumer stood to after its last record."""

from dataclasses import dataclass, field

import pytest

from app.kafka.chunks import Chunk


@dataclass
class Record:
    """A record of which only the offset matters."""

    offset: int
    timestamp: int = 0
    key: bytes | None = None
    value: bytes | None = None
    headers: list[tuple[str, bytes]] = field(default_factory=list)


@pytest.mark.parametrize(("offsets", "end"), [([5], 6), ([5, 6, 7], 8), ([7, 9], 10)])
def test_the_end_is_after_the_last_record(offsets: list[int], end: int) -> None:
    chunk = Chunk("transactions", 0, 5, [Record(offset) for offset in offsets], 0, 0)
    assert (chunk.start, chunk.end) == (5, end)
