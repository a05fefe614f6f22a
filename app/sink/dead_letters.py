"""Inserts dead letters into PostgreSQL and notifies the outbox publisher."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import asyncpg

from app.domain.timestamps import EPOCH
from app.events.rejections import DeadLetter

OUTBOX_CHANNEL: Final = "globalmart_outbox"

_INSERT: Final = """
INSERT INTO dead_letters
    (source_topic, source_partition, source_offset, key, value, reason, detail, stage, kafka_time,
     erased)
SELECT $1, $2, * FROM unnest(
    $3::BIGINT[], $4::BYTEA[], $5::BYTEA[], $6::TEXT[], $7::TEXT[], $8::TEXT[], $9::TIMESTAMPTZ[],
    $10::BOOLEAN[])"""
#: asyncpg sends the very first and last instant of Python's calendar as infinities.
_FIRST_MS: Final = (datetime(1, 1, 1, 0, 0, 1, tzinfo=UTC) - EPOCH) // timedelta(milliseconds=1)
_LAST_MS: Final = (datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC) - EPOCH) // timedelta(milliseconds=1)
#: Notifies the outbox publisher once the transaction commits.
NOTIFY_PUBLISHER: Final = f"NOTIFY {OUTBOX_CHANNEL}"


async def insert_dead_letters(
    connection: asyncpg.Connection, topic: str, partition: int, letters: Sequence[DeadLetter]
) -> None:
    """Stores the rejected records, raw, within the chunk's transaction."""
    if not letters:
        return
    await connection.execute(
        _INSERT,
        topic,
        partition,
        [letter.offset for letter in letters],
        [letter.key for letter in letters],
        [letter.value for letter in letters],
        [letter.reason.value for letter in letters],
        [letter.detail for letter in letters],
        [letter.stage for letter in letters],
        [_instant(letter.kafka_time_ms) for letter in letters],
        [letter.erased for letter in letters],
    )


def _instant(time_ms: int) -> datetime:
    """Converts a Kafka timestamp; producers may send any, one beyond the calendar becomes its first or last second."""
    return EPOCH + timedelta(milliseconds=min(max(time_ms, _FIRST_MS), _LAST_MS))


async def prepare_dead_letters(connection: asyncpg.Connection) -> None:
    """Inserts nothing, so that the connection has the statement prepared."""
    await connection.execute(_INSERT, "", 0, [], [], [], [], [], [], [], [])
