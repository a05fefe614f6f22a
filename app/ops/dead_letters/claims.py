"""Claims: who replays which dead letter, stored before the send and completed after it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import asyncpg

from app.errors import LockHeldError
from app.kafka.producer import Outgoing, RecordPosition
from app.ops.dead_letters.repository import StoredDeadLetter
from app.ops.dead_letters.validation import identity, stored_topic

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
    names = stored_topic(topic).key
    matches = " AND ".join(f"{name} = ${number}" for number, name in enumerate(names, 1))
    found = await connection.fetchrow(f"SELECT source_partition, source_offset FROM {topic} WHERE {matches}", *key)
    if found is None:
        return "gone", "the ledger counts it, and its row no longer exists"
    if tuple(found) == (row["sent_partition"], row["sent_offset"]):
        return "stored", "its row exists"
    return "duplicate", f"its id was stored before, from {topic}[{found[0]}]@{found[1]}"
