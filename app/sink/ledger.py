"""The ledger `stream_progress`: how far each source partition is committed.

Its row is the fence: a chunk commits only if it begins exactly at the ledger's next offset, whichever worker sends it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import asyncpg

from app.domain.timestamps import EPOCH, MICROSECOND

#: The partition of statements that are only prepared: no row has it.
NO_PARTITION: Final = -1

_SELECT: Final = """
SELECT partition, next_offset, watermark, horizon, erasures, (
    SELECT edition FROM judged_from j WHERE j.topic = p.topic AND j.partition = p.partition
    ORDER BY first_offset DESC LIMIT 1
) AS edition
FROM stream_progress p WHERE topic = $1 AND partition = ANY($2::INTEGER[])"""
_OPEN: Final = """
INSERT INTO stream_progress (topic, partition, next_offset) VALUES ($1, $2, $3)
ON CONFLICT DO NOTHING"""
#: Prepared by name, so that a text of several statements can execute them in one round trip. The order prevents a
#: deadlock between transactions over several partitions.
_PREPARE: Final = (
    """
PREPARE ledger_fence (TEXT, INTEGER[], BIGINT[], INTEGER[], BIGINT) AS
SELECT 1 FROM stream_progress p
JOIN unnest($2, $3, $4) AS s (partition, start, erasures)
    ON p.partition = s.partition AND p.next_offset = s.start AND p.erasures = s.erasures
WHERE p.topic = $1 AND ($5 IS NULL OR $5 = (SELECT max(edition) FROM fraud_editions))
ORDER BY p.partition
FOR NO KEY UPDATE OF p""",
    """
PREPARE ledger_advance (
    TEXT, INTEGER, BIGINT, TIMESTAMPTZ, TIMESTAMPTZ, BIGINT, BIGINT, BIGINT, BIGINT, BIGINT, BIGINT, BIGINT, BIGINT) AS
UPDATE stream_progress SET
    next_offset = $3, watermark = $4, horizon = $5, consumed = consumed + $6, stored = stored + $7,
    duplicates = duplicates + $8, conflicting = conflicting + $9, dead_lettered = dead_lettered + $10,
    late = late + $11, rounded = rounded + $12, assumed_utc = assumed_utc + $13,
    updated_at = CURRENT_TIMESTAMP
WHERE topic = $1 AND partition = $2""",
    """
PREPARE ledger_judge (TEXT, INTEGER, BIGINT, BIGINT) AS
INSERT INTO judged_from (topic, partition, first_offset, edition) SELECT $1, $2, $3, $4 WHERE $2 >= 0""",
)
_IS_PREPARED: Final = "SELECT 1 FROM pg_prepared_statements WHERE name = 'ledger_advance'"
_LOSE: Final = """
UPDATE stream_progress SET next_offset = $3, lost = lost + ($3 - next_offset)
WHERE topic = $1 AND partition = $2 AND next_offset < $3"""


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of a partition; times in microseconds since the epoch, None before the first event.

    `erasures` counts how often users were erased from it: a state loaded before the last one is outdated. `edition` is
    that of the rules which judged its last records, None before the first.
    """

    next_offset: int
    watermark_us: int | None = None
    horizon_us: int | None = None
    erasures: int = 0
    edition: int | None = None


@dataclass(slots=True)
class Counts:
    """Number of records of one chunk by outcome."""

    stored: int = 0
    duplicates: int = 0
    conflicting: int = 0
    dead_lettered: int = 0
    late: int = 0
    rounded: int = 0
    assumed_utc: int = 0

    @property
    def consumed(self) -> int:
        """Number of all records: every one is stored, a duplicate or a dead letter."""
        return self.stored + self.duplicates + self.dead_lettered


async def read_progress(connection: asyncpg.Connection, topic: str, partitions: list[int]) -> dict[int, Progress]:
    """Returns the ledger rows of the partitions that have one."""
    rows = await connection.fetch(_SELECT, topic, partitions)
    return {
        row["partition"]: Progress(
            row["next_offset"], _to_us(row["watermark"]), _to_us(row["horizon"]), row["erasures"], row["edition"]
        )
        for row in rows
    }


async def open_partition(connection: asyncpg.Connection, topic: str, partition: int, first_offset: int) -> None:
    """Inserts the ledger row of a partition at its first offset, unless there is one."""
    await connection.execute(_OPEN, topic, partition, first_offset)


async def accept_loss(connection: asyncpg.Connection, topic: str, partition: int, first_offset: int) -> None:
    """Skips offsets that Kafka no longer has, and counts them as lost."""
    await connection.execute(_LOSE, topic, partition, first_offset)


class Fence(NamedTuple):
    """What the ledger must say of a partition for a slice of it to be committed."""

    partition: int
    start: int
    erasures: int


def fence(topic: str, fences: Sequence[Fence], edition: int | None = None) -> str:
    """SQL that locks the ledger rows that agree; a row that was advanced, or had a user erased, does not.

    None agrees if the newest edition of the rules is another one than `edition`.
    """
    arrays = ("'{" + ",".join(map(str, values)) + "}'" for values in zip(*fences, strict=True))
    return f"EXECUTE ledger_fence('{topic}', {', '.join(arrays)}, {'NULL' if edition is None else edition})"


def judge(topic: str, partition: int, first_offset: int, edition: int) -> str:
    """SQL that stores from which offset on an edition judges a fenced partition."""
    return f"EXECUTE ledger_judge('{topic}', {partition}, {first_offset}, {edition})"


def advance(topic: str, partition: int, progress: Progress, counts: Counts) -> str:
    """SQL that advances a fenced row to the end of the slice, within its transaction."""
    numbers = (
        counts.consumed,
        counts.stored,
        counts.duplicates,
        counts.conflicting,
        counts.dead_lettered,
        counts.late,
        counts.rounded,
        counts.assumed_utc,
    )
    times = f"{_literal(progress.watermark_us)}, {_literal(progress.horizon_us)}"
    return (
        f"EXECUTE ledger_advance('{topic}', {partition}, {progress.next_offset}, {times}, "
        f"{', '.join(map(str, numbers))})"
    )


async def prepare(connection: asyncpg.Connection, topic: str) -> None:
    """Prepares fence and advance on the connection, and runs them without effect, so that each is planned."""
    if await connection.fetchval(_IS_PREPARED) is None:
        for statement in _PREPARE:
            await connection.execute(statement)
    await connection.execute(fence(topic, [Fence(NO_PARTITION, 0, 0)]))
    await connection.execute(advance(topic, NO_PARTITION, Progress(0), Counts()))
    await connection.execute(judge(topic, NO_PARTITION, 0, 0))


def _to_us(instant: datetime | None) -> int | None:
    return None if instant is None else (instant - EPOCH) // MICROSECOND


def _literal(instant_us: int | None) -> str:
    return "NULL" if instant_us is None else f"'{(EPOCH + timedelta(microseconds=instant_us)).isoformat()}'"
