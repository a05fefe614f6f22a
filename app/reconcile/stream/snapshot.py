"""One read-only view of PostgreSQL: everything the recount compares comes from the same instant."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, NamedTuple

import asyncpg

from app.errors import RecountError
from app.postgres.connections import connect_auditor
from app.reconcile.stream.deletions import Deletion
from app.reconcile.stream.erasures import Erasures, Pseudonym
from app.reconcile.stream.fields import COLUMNS, IDENTITY
from app.reconcile.stream.timestamps import show_timestamp
from app.settings import PostgresSettings

#: asyncpg's raw form of a timestamp counts microseconds from 2000-01-01; this is that day.
_POSTGRES_EPOCH_US: Final = 946_684_800_000_000
_PREFETCH: Final = 5_000


class StoredRow(NamedTuple):
    """A stored event: `values` in the order of `COLUMNS[topic]`, times in microseconds."""

    partition: int
    offset: int
    values: tuple[Any, ...]


class LedgerRow(NamedTuple):
    """A line of `stream_progress`; `counters` holds its columns by name."""

    topic: str
    partition: int
    next_offset: int
    watermark_us: int | None
    counters: dict[str, int]


class Snapshot:
    """Queries inside one REPEATABLE READ transaction; instants are microseconds since 1970."""

    def __init__(self, connection: "asyncpg.Connection[Any]") -> None:
        self._connection = connection

    async def ledger(self) -> list[LedgerRow]:
        """Every line of the ledger, by topic and partition."""
        rows = await self._connection.fetch("SELECT * FROM stream_progress ORDER BY topic, partition")
        return [
            LedgerRow(
                row["topic"],
                row["partition"],
                row["next_offset"],
                row["watermark"],
                {name: value for name, value in row.items() if isinstance(value, int)},
            )
            for row in rows
        ]

    async def deletions(self) -> dict[tuple[str, int], Deletion]:
        """What retention has deleted, by topic and partition."""
        rows = await self._connection.fetch(
            "SELECT topic, source_partition, deleted_before, deleted FROM retention_progress"
        )
        return {(row[0], row[1]): Deletion(row[2], row[3]) for row in rows}

    async def erasures(self) -> Erasures:
        """Who is erased; raises RecountError while an erasure is under way or was cut off."""
        rows = await self._connection.fetch(
            "SELECT key, user_hash, pseudonym, session_key, erased_at, renamed_at "
            "FROM erased_users CROSS JOIN erasure_key"
        )
        for row in rows:
            if row["renamed_at"] is None:
                raise RecountError(
                    f"the erasure begun at {show_timestamp(row['erased_at'])} is not finished: wait for "
                    "it, or run `globalmart erase-user` for the same user again"
                )
        users = {row["user_hash"]: Pseudonym(row["pseudonym"], row["session_key"]) for row in rows}
        return Erasures(rows[0]["key"] if rows else b"", users)

    async def row(self, query: str, *args: Any) -> Any:
        """First row of a query, or None."""
        return await self._connection.fetchrow(query, *args)

    async def stream(self, query: str, *args: Any) -> AsyncIterator[Any]:
        """Rows of a query, a few thousand in memory at a time."""
        async for row in self._connection.cursor(query, *args, prefetch=_PREFETCH):
            yield row

    async def stored_counts(self, topic: str) -> dict[int, int]:
        """Stored events of a topic per source partition."""
        query = f"SELECT source_partition, count(*) FROM {topic} GROUP BY 1"
        return {row[0]: row[1] for row in await self._connection.fetch(query)}

    async def dead_letter_counts(self) -> dict[tuple[str, int], int]:
        """Dead letters per source topic and partition."""
        query = "SELECT source_topic, source_partition, count(*) FROM dead_letters GROUP BY 1, 2"
        return {(row[0], row[1]): row[2] for row in await self._connection.fetch(query)}

    async def stored(self, topic: str, partition: int) -> AsyncIterator[StoredRow]:
        """Stored events that came from a partition, in offset order."""
        query = (
            f"SELECT source_partition, source_offset, {', '.join(COLUMNS[topic])} FROM {topic} "
            "WHERE source_partition = $1 ORDER BY source_offset"
        )
        async for row in self.stream(query, partition):
            yield _stored_row(row)

    async def winners(self, topic: str, ids: Iterable[tuple[Any, ...]]) -> dict[Any, StoredRow]:
        """Stored events by identity, for those of the ids that have one."""
        keys = list(set(ids))
        if not keys:
            return {}
        columns = IDENTITY[topic]
        rows = await self._connection.fetch(_winners_query(topic), *_arrays(columns, keys))
        positions = [COLUMNS[topic].index(column) for column in columns]
        found = map(_stored_row, rows)
        return {tuple(row.values[index] for index in positions): row for row in found}


def _winners_query(topic: str) -> str:
    """Identities go in as one array per column; `timestamp` as the only one that is not text."""
    columns = IDENTITY[topic]
    arrays = ", ".join(
        f"${number}::{'timestamptz' if column == 'timestamp' else 'text'}[]" for number, column in enumerate(columns, 1)
    )
    matches = " AND ".join(f"stored.{column} = wanted.{column}" for column in columns)
    selected = ", ".join(f"stored.{column}" for column in COLUMNS[topic])
    return (
        f"SELECT stored.source_partition, stored.source_offset, {selected} "
        f"FROM unnest({arrays}) AS wanted ({', '.join(columns)}) "
        f"JOIN {topic} AS stored ON {matches}"
    )


def _arrays(columns: Sequence[str], keys: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    return [[key[index] for key in keys] for index in range(len(columns))]


def _stored_row(row: Any) -> StoredRow:
    partition, offset, *values = row
    return StoredRow(partition, offset, tuple(values))


@asynccontextmanager
async def open_snapshot(settings: PostgresSettings) -> AsyncIterator[Snapshot]:
    """Connect and hold one snapshot.

    Raises RecountError when PostgreSQL fails, and SettingsError when it refuses us or is not trusted.
    """
    try:
        connection = await connect_auditor(settings, "globalmart-reconcile")
        try:
            await _use_microseconds(connection)
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                yield Snapshot(connection)
        finally:
            await connection.close()
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise RecountError(f"PostgreSQL: {error}; check GLOBALMART_POSTGRES_*") from error


async def _use_microseconds(connection: "asyncpg.Connection[Any]") -> None:
    """Exchange instants as integers: exact, and wider than a Python datetime."""
    await connection.set_type_codec(
        "timestamptz",
        schema="pg_catalog",
        encoder=lambda micros: (micros - _POSTGRES_EPOCH_US,),
        decoder=lambda raw: raw[0] + _POSTGRES_EPOCH_US,
        format="tuple",
    )
