"""Reads dead letters and their replays from PostgreSQL."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from datetime import datetime
from typing import Any, Final

import asyncpg

_SELECT: Final = """
SELECT d.id, d.source_topic AS topic, d.source_partition AS partition, d.source_offset AS offset,
    d.key, d.value, d.reason, d.detail, d.stage, d.kafka_time, d.created_at,
    r.requested_by, r.requested_at, r.corrected, r.sent_partition, r.sent_offset, r.sent_at,
    r.outcome, r.detail AS outcome_detail, r.settled_at"""
_FROM: Final = """
FROM dead_letters d LEFT JOIN dead_letter_replays r ON r.dead_letter_id = d.id"""
_MATCHES: Final = """
WHERE ($1::TEXT IS NULL OR d.reason = $1) AND ($2::TEXT IS NULL OR d.source_topic = $2)
    AND ($3::TIMESTAMPTZ IS NULL OR d.created_at >= $3)
    AND ($4::TIMESTAMPTZ IS NULL OR d.created_at < $4)
    AND ($5::BOOLEAN IS NULL OR (r.sent_at IS NOT NULL) = $5)"""
_PAGE: Final = " AND ($6::BIGINT IS NULL OR d.id < $6) ORDER BY d.id DESC LIMIT $7"


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter of dead letters; `since` inclusive, `until` exclusive, by the time of rejection. None matches all."""

    reason: str | None = None
    topic: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    replayed: bool | None = None


@dataclass(frozen=True, slots=True)
class Replay:
    """A replay of a dead letter: by whom, to which position, and its outcome (None: not consumed yet)."""

    requested_by: str
    requested_at: datetime
    corrected: bool
    sent_partition: int | None
    sent_offset: int | None
    sent_at: datetime | None
    outcome: str | None
    outcome_detail: str | None
    settled_at: datetime | None


@dataclass(frozen=True, slots=True)
class StoredDeadLetter:
    """A rejected record, raw, and its replay if there was one."""

    id: int
    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    reason: str
    detail: str
    stage: str
    kafka_time: datetime
    created_at: datetime
    replay: Replay | None

    @property
    def place(self) -> str:
        """Its position in its source topic: topic[partition]@offset."""
        return f"{self.topic}[{self.partition}]@{self.offset}"


async def list_letters(
    connection: asyncpg.Connection, wanted: Filter, *, before: int | None, limit: int
) -> list[StoredDeadLetter]:
    """Returns a page of dead letters, newest first, with ids below `before`."""
    rows = await connection.fetch(_SELECT + _FROM + _MATCHES + _PAGE, *astuple(wanted), before, limit)
    return [_letter(row) for row in rows]


async def matching_ids(connection: asyncpg.Connection, wanted: Filter) -> list[int]:
    """Returns the ids of all matching dead letters, in order, without reading their bytes."""
    rows = await connection.fetch(f"SELECT d.id{_FROM}{_MATCHES} ORDER BY d.id", *astuple(wanted))
    return [row["id"] for row in rows]


async def read_letters(connection: asyncpg.Connection, ids: Sequence[int]) -> list[StoredDeadLetter]:
    """Returns the dead letters with these ids, in order of id, without unknown ids."""
    rows = await connection.fetch(f"{_SELECT}{_FROM} WHERE d.id = ANY($1::BIGINT[]) ORDER BY d.id", ids)
    return [_letter(row) for row in rows]


def _letter(row: Any) -> StoredDeadLetter:
    names = [name for name in StoredDeadLetter.__slots__ if name != "replay"]
    replay = None
    if row["requested_by"] is not None:
        replay = Replay(**{name: row[name] for name in Replay.__slots__})
    return StoredDeadLetter(**{name: row[name] for name in names}, replay=replay)
