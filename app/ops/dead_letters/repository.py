"""Reads dead letters and their replays from PostgreSQL."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import astuple, dataclass
from datetime import datetime
from typing import Any, Final

import asyncpg

from app.errors import LockHeldError
from app.kafka.producer import Outgoing, RecordPosition
from app.ops.dead_letters.validation import identity
from app.topics import SOURCES

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
#: Key of the advisory lock: "GMLETTER" as a number. The lock lasts as long as its session.
_LOCK_KEY: Final = int.from_bytes(b"GMLETTER", "big")
_CLAIM: Final = """
INSERT INTO dead_letter_replays (dead_letter_id, key, value, corrected, requested_by, topic_ends)
VALUES ($1, $2, $3, $4, $5, $6)"""
_UNSENT: Final = """
SELECT dead_letter_id AS id, key, value, topic_ends FROM dead_letter_replays
WHERE dead_letter_id = ANY($1::BIGINT[]) AND sent_offset IS NULL"""
_SENT: Final = """
UPDATE dead_letter_replays SET sent_partition = $2, sent_offset = $3, sent_at = CURRENT_TIMESTAMP
WHERE dead_letter_id = $1 AND sent_offset IS NULL"""
_CONSUMED: Final = """
SELECT r.dead_letter_id, d.source_topic AS topic, r.sent_partition, r.sent_offset, r.key, r.value,
    again.reason
FROM dead_letter_replays r
JOIN dead_letters d ON d.id = r.dead_letter_id
JOIN stream_progress p ON p.topic = d.source_topic AND p.partition = r.sent_partition
    AND p.next_offset > r.sent_offset
LEFT JOIN dead_letters again ON again.source_topic = d.source_topic
    AND again.source_partition = r.sent_partition AND again.source_offset = r.sent_offset
WHERE r.outcome IS NULL AND r.sent_offset IS NOT NULL"""
_UNSETTLED: Final = """
SELECT count(*) FROM dead_letter_replays
WHERE dead_letter_id = ANY($1::BIGINT[]) AND outcome IS NULL"""
_SETTLE: Final = """
UPDATE dead_letter_replays SET outcome = $2, detail = $3, settled_at = CURRENT_TIMESTAMP
WHERE dead_letter_id = $1 AND outcome IS NULL"""


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


@dataclass(frozen=True, slots=True)
class Claim:
    """A dead letter about to be sent with exactly these bytes."""

    letter: StoredDeadLetter
    key: bytes | None
    value: bytes | None

    @property
    def outgoing(self) -> Outgoing:
        """The record to send."""
        return Outgoing(self.letter.topic, self.letter.place, self.key, self.value)


@asynccontextmanager
async def only_replay(connection: asyncpg.Connection) -> AsyncIterator[None]:
    """Takes the lock of all replays on this database; raises LockHeldError if another session has it."""
    if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK_KEY):
        raise LockHeldError("another replay of dead letters is running; wait for it to end")
    try:
        yield
    finally:
        if not connection.is_closed():
            await connection.fetchval("SELECT pg_advisory_unlock($1)", _LOCK_KEY)


async def make_claims(
    connection: asyncpg.Connection, claims: Sequence[Claim], ends: dict[str, list[int]], by: str
) -> None:
    """Stores the claims in one transaction, with the end offsets of their topics."""
    async with connection.transaction():
        await connection.executemany(
            _CLAIM,
            [
                (
                    c.letter.id,
                    c.key,
                    c.value,
                    (c.key, c.value) != (c.letter.key, c.letter.value),
                    by,
                    ends[c.letter.topic],
                )
                for c in claims
            ],
        )


async def unsent_claims(
    connection: asyncpg.Connection, letters: Sequence[StoredDeadLetter]
) -> list[tuple[Claim, list[int]]]:
    """Returns the claims whose send was interrupted, each with the end offsets of its topic at the claim."""
    by_id = {letter.id: letter for letter in letters}
    rows = await connection.fetch(_UNSENT, list(by_id))
    return [(Claim(by_id[r["id"]], r["key"], r["value"]), r["topic_ends"]) for r in rows]


async def mark_sent(connection: asyncpg.Connection, claims: Sequence[Claim], places: Sequence[RecordPosition]) -> None:
    """Completes the claims with the positions of their records."""
    async with connection.transaction():
        await connection.executemany(_SENT, [(c.letter.id, *place) for c, place in zip(claims, places, strict=True)])


async def settle(connection: asyncpg.Connection) -> int:
    """Stores the outcome of every replay that a worker has consumed; returns how many were settled."""
    rows = await connection.fetch(_CONSUMED)
    for row in rows:
        outcome, detail = await _outcome(connection, row)
        await connection.execute(_SETTLE, row["dead_letter_id"], outcome, detail)
    return len(rows)


async def count_unsettled(connection: asyncpg.Connection, ids: Sequence[int]) -> int:
    """Returns how many of these dead letters were replayed and have no outcome yet."""
    count: int = await connection.fetchval(_UNSETTLED, ids)
    return count


async def _outcome(connection: asyncpg.Connection, row: Any) -> tuple[str, str]:
    if row["reason"] is not None:
        return "dead_lettered", f"rejected again: {row['reason']}"
    if row["key"] is row["value"] is None:
        return "gone", "its bytes were erased with their user before a worker consumed it"
    topic = row["topic"]
    key = identity(topic, row["value"], row["key"])
    if key is None:
        return "gone", "the ledger counts it, and the current rules would reject it"
    names = SOURCES[topic].identity
    matches = " AND ".join(f"{name} = ${number}" for number, name in enumerate(names, 1))
    found = await connection.fetchrow(f"SELECT source_partition, source_offset FROM {topic} WHERE {matches}", *key)
    if found is None:
        return "gone", "the ledger counts it, and its row no longer exists"
    if tuple(found) == (row["sent_partition"], row["sent_offset"]):
        return "stored", "its row exists"
    return "duplicate", f"its id was stored before, from {topic}[{found[0]}]@{found[1]}"
