"""Checks that the batch's lake has all rows of a day before they are deleted."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

import asyncpg

from app.ops.lock import midnight
from batch.lake import Lake
from batch.sources import SOURCES, SourceTable

_SOURCES: Final = {source.name: source for source in SOURCES}


@dataclass(frozen=True, slots=True)
class Archive:
    """Compares the lake with PostgreSQL."""

    lake: Lake

    async def missing(self, connection: asyncpg.Connection, table: str, day: date) -> str:
        """Returns why the day must not be deleted yet; empty if the lake has all its rows, or no such table."""
        source = _SOURCES.get(table)
        if source is None:
            return ""
        known = self.lake.read_manifest().days(table).get(day)
        if known is None:
            return "the lake does not have it; run the nightly batch first"
        rows, checksum = await _checksum(connection, source, day)
        if (rows, checksum) == (known.summary.rows, known.summary.checksum):
            return ""
        if rows < known.summary.rows and rows == await self._count_archived(connection, source, day, known.file):
            return ""
        return "it has changed since the lake read it; run the nightly batch first"

    async def _count_archived(self, connection: asyncpg.Connection, source: SourceTable, day: date, file: str) -> int:
        """Returns how many rows of a partly deleted day are in the lake, by key."""
        start, archived = midnight(day), 0
        for rows in self.lake.read_pieces(file, [source.key]):
            archived += await connection.fetchval(
                f"SELECT count(*) FROM {source.name} WHERE {source.key} = ANY($1::TEXT[]) "
                "AND timestamp >= $2 AND timestamp < $3",
                rows[source.key].to_pylist(),
                start,
                start + timedelta(days=1),
            )
        return archived


async def _checksum(connection: asyncpg.Connection, source: SourceTable, day: date) -> tuple[int, int]:
    """Returns the day's number of rows and their checksum, in the form of the lake's manifest."""
    factor = 100 if source.checksum == "total_amount" else 1
    start = midnight(day)
    row: Any = await connection.fetchrow(
        f"SELECT count(*), coalesce(sum({source.checksum}) * {factor}, 0)::NUMERIC(38, 0) "
        f"FROM {source.name} WHERE timestamp >= $1 AND timestamp < $2",
        start,
        start + timedelta(days=1),
    )
    return int(row[0]), int(row[1])
