"""What the batch's lake has of a day, asked before its rows are deleted."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

import asyncpg
import pyarrow as pa
import pyarrow.compute as pc

from app.upkeep.session import midnight
from batch.lake import Lake
from batch.sources import SOURCES, SourceTable

_SOURCES: Final = {source.name: source for source in SOURCES}


@dataclass(frozen=True, slots=True)
class Archive:
    """The lake beside PostgreSQL."""

    lake: Lake

    async def lacks(self, connection: asyncpg.Connection, table: str, day: date) -> str:
        """Why the day must not be deleted yet; empty if the lake has every row of it, or keeps no such rows."""
        source = _SOURCES.get(table)
        if source is None:
            return ""
        known = self.lake.read_manifest().days(table).get(day)
        if known is None:
            return "the lake does not have it; run the nightly batch first"
        rows, checksum = await _account(connection, source, day)
        if (rows, checksum) == (known.print.rows, known.print.checksum):
            return ""
        if rows >= known.print.rows or not await self._all_kept(
            connection, source, day, known.file
        ):
            return "it has changed since the lake read it; run the nightly batch first"
        return ""

    async def _all_kept(
        self, connection: asyncpg.Connection, source: SourceTable, day: date, file: str
    ) -> bool:
        """Whether every row of a day that is deleted in part is in the lake, by key."""
        start = midnight(day)
        found = await connection.fetch(
            f"SELECT {source.key} FROM {source.name} WHERE timestamp >= $1 AND timestamp < $2",
            start, start + timedelta(days=1),
        )  # fmt: skip
        kept = self.lake.read_file(file)[source.key]
        keys = pa.array([row[0] for row in found], pa.string())
        return pc.sum(pc.invert(pc.is_in(keys, value_set=kept))).as_py() in (0, None)


async def _account(
    connection: asyncpg.Connection, source: SourceTable, day: date
) -> tuple[int, int]:
    """Rows of the day and their checksum as the lake's manifest tells it."""
    factor = 100 if source.checksum == "total_amount" else 1
    start = midnight(day)
    row: Any = await connection.fetchrow(
        f"SELECT count(*), coalesce(sum({source.checksum}) * {factor}, 0)::NUMERIC(38, 0) "
        f"FROM {source.name} WHERE timestamp >= $1 AND timestamp < $2",
        start, start + timedelta(days=1),
    )  # fmt: skip
    return int(row[0]), int(row[1])
