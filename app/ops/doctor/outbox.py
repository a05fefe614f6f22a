"""Rows not copied to Kafka yet: few and for a moment, unless no worker publishes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import asyncpg

from app.topics import ANOMALIES, DEAD_LETTERS

_TABLES: Final = {ANOMALIES: "transaction_anomalies", DEAD_LETTERS: "dead_letters"}
_WAITING: Final = """
SELECT count(*) AS rows, coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8 AS seconds
FROM {table} WHERE position IS NULL
    OR position > (SELECT published_position FROM outbox_progress WHERE stream = $1)"""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Rows without a copy, and the age of the oldest."""

    rows: int
    seconds: float


async def read_waiting(connection: asyncpg.Connection) -> Mapping[str, Waiting]:
    """Reads the rows waiting by topic; every role may."""
    found: dict[str, Waiting] = {}
    for stream, table in _TABLES.items():
        (row,) = await connection.fetch(_WAITING.format(table=table), stream)
        found[stream] = Waiting(row["rows"], row["seconds"])
    return found
