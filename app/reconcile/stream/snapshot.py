"""Reads PostgreSQL through one snapshot, so that everything compared is from the same instant."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, Generic, NamedTuple, TypeVar

import asyncpg

from app.errors import RecountError, text_of
from app.postgres.connections import POSTGRES_FAILURES, connect_auditor
from app.reconcile.stream.edition_records import READ, Editions, editions_of
from app.reconcile.stream.erasures import Deletion, Erasures, Pseudonym
from app.reconcile.stream.json_values import show_timestamp
from app.reconcile.stream.record_validation import COLUMNS, IDENTITY
from app.settings import PostgresSettings

#: asyncpg's raw timestamps count microseconds from this instant, 2000-01-01.
_POSTGRES_EPOCH_US: Final = 946_684_800_000_000
_PREFETCH: Final = 5_000


class StoredRow(NamedTuple):
    """A stored event: `values` in the order of `COLUMNS[topic]`, times in microseconds."""

    partition: int
    offset: int
    values: tuple[Any, ...]


class Counted(NamedTuple):
    """A stored anomaly that suppresses repeats of its user and rule."""

    offset: int
    user_id: str
    rule_id: str
    time_us: int


class LedgerRow(NamedTuple):
    """A row of `stream_progress`; `counters` has its columns by name."""

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
        """Returns every row of the ledger, by topic and partition."""
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
        """Returns the deletions by retention, by topic and partition."""
        rows = await self._connection.fetch(
            "SELECT topic, source_partition, deleted_before, deleted FROM retention_progress"
        )
        return {(row[0], row[1]): Deletion(row[2], row[3]) for row in rows}

    async def erasures(self) -> Erasures:
        """Returns the erased users; raises RecountError while an erasure is running or was interrupted."""
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

    async def editions(self) -> Editions:
        """Returns the rules and lists of all editions, and what each judged."""
        return editions_of(*[await self._connection.fetch(query) for query in READ])

    async def hits_of_erased(self, rules: Sequence[str], pseudonyms: Iterable[str]) -> frozenset[tuple[str, str]]:
        """Returns (transaction, rule) of what orders of erased users raised of these rules, whatever it led to."""
        users = list(pseudonyms)
        if not rules or not users:
            return frozenset()
        rows = await self._connection.fetch(
            "SELECT transaction_id, rule_id FROM shadow_anomalies WHERE user_id = ANY($2) AND rule_id = ANY($1) "
            "UNION SELECT transaction_id, rule_id FROM transaction_anomalies "
            "WHERE user_id = ANY($2) AND rule_id = ANY($1) "
            "UNION SELECT transaction_id, reason ->> 'rule_id' FROM verdicts, jsonb_array_elements(reasons) AS reason "
            "WHERE user_id = ANY($2) AND reason ->> 'rule_id' = ANY($1)",
            rules,
            users,
        )
        return frozenset((row[0], row[1]) for row in rows)

    async def counted(self, rules: Iterable[str], after_us: int, until_us: int) -> dict[int, list[Counted]]:
        """Returns the anomalies of these rules with after <= time < until that suppress others, by partition.

        They are in the order of their offsets.
        """
        found: dict[int, list[Counted]] = {}
        async for partition, *one in self.stream(
            "SELECT source_partition, source_offset, user_id, anomaly_type, event_time FROM transaction_anomalies "
            "WHERE source_partition IS NOT NULL AND NOT suppressed AND anomaly_type = ANY($1) "
            "AND event_time >= $2 AND event_time < $3 ORDER BY source_partition, source_offset",
            list(rules),
            after_us,
            until_us,
        ):
            found.setdefault(partition, []).append(Counted(*one))
        return found

    async def row(self, query: str, *args: Any) -> Any:
        """Returns the first row of a query, or None."""
        return await self._connection.fetchrow(query, *args)

    async def stream(self, query: str, *args: Any) -> AsyncIterator[Any]:
        """Yields the rows of a query, a few thousand in memory at a time."""
        async for row in self._connection.cursor(query, *args, prefetch=_PREFETCH):
            yield row

    async def stored_counts(self, topic: str) -> dict[int, int]:
        """Counts the stored events of a topic per source partition."""
        query = f"SELECT source_partition, count(*) FROM {topic} GROUP BY 1"
        return {row[0]: row[1] for row in await self._connection.fetch(query)}

    async def dead_letter_counts(self) -> dict[tuple[str, int], int]:
        """Counts the dead letters per source topic and partition."""
        query = "SELECT source_topic, source_partition, count(*) FROM dead_letters GROUP BY 1, 2"
        return {(row[0], row[1]): row[2] for row in await self._connection.fetch(query)}

    async def stored(self, topic: str, partition: int) -> AsyncIterator[StoredRow]:
        """Yields the stored events of a partition, in offset order."""
        query = (
            f"SELECT source_partition, source_offset, {', '.join(COLUMNS[topic])} FROM {topic} "
            "WHERE source_partition = $1 ORDER BY source_offset"
        )
        async for row in self.stream(query, partition):
            yield _stored_row(row)

    async def winners(self, topic: str, ids: Iterable[tuple[Any, ...]]) -> dict[Any, StoredRow]:
        """Returns the stored events with these ids, by identity."""
        keys = list(set(ids))
        if not keys:
            return {}
        columns = IDENTITY[topic]
        arrays = [[key[index] for key in keys] for index in range(len(columns))]
        rows = await self._connection.fetch(_winners_query(topic), *arrays)
        positions = [COLUMNS[topic].index(column) for column in columns]
        found = map(_stored_row, rows)
        return {tuple(row.values[index] for index in positions): row for row in found}


def _winners_query(topic: str) -> str:
    """SQL with one array per column of the identity; only `timestamp` is not text."""
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


def _stored_row(row: Any) -> StoredRow:
    partition, offset, *values = row
    return StoredRow(partition, offset, tuple(values))


@asynccontextmanager
async def open_snapshot(settings: PostgresSettings) -> AsyncIterator[Snapshot]:
    """Connects and opens one snapshot.

    Raises RecountError when PostgreSQL fails, and SettingsError when it rejects the login or is not trusted.
    """
    try:
        connection = await connect_auditor(settings, "globalmart-reconcile")
        try:
            await _use_microseconds(connection)
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                yield Snapshot(connection)
        finally:
            await connection.close()
    except POSTGRES_FAILURES as error:
        raise RecountError(f"PostgreSQL: {text_of(error)}; check GLOBALMART_POSTGRES_*") from error


async def _use_microseconds(connection: "asyncpg.Connection[Any]") -> None:
    """Reads and sends timestamps as integers: exact, and of a wider range than a Python datetime."""
    await connection.set_type_codec(
        "timestamptz",
        schema="pg_catalog",
        encoder=lambda micros: (micros - _POSTGRES_EPOCH_US,),
        decoder=lambda raw: raw[0] + _POSTGRES_EPOCH_US,
        format="tuple",
    )


class DeadRow(NamedTuple):
    """A stored dead letter; `time_us` is the record's Kafka timestamp, `erased` if its bytes were deleted."""

    offset: int
    key: bytes | None
    value: bytes | None
    reason: str
    stage: str
    time_us: int
    erased: bool


Row = TypeVar("Row", StoredRow, DeadRow)


class ByOffset(Generic[Row]):
    """Rows of a partition in offset order, returned up to a given offset at a time."""

    def __init__(self, rows: AsyncIterator[Row]) -> None:
        self._rows: AsyncIterator[Row] = rows
        self._next: Row | None = None

    async def below(self, end: int) -> dict[int, Row]:
        """Returns the next rows with an offset below `end`, by offset."""
        taken: dict[int, Row] = {}
        while (row := self._next or await anext(self._rows, None)) is not None:
            self._next = row
            if row.offset >= end:
                break
            taken[row.offset], self._next = row, None
        return taken

    async def rest(self) -> AsyncIterator[Row]:
        """Yields the remaining rows."""
        if self._next is not None:
            yield self._next
        async for row in self._rows:
            yield row


async def dead_rows(snapshot: Snapshot, topic: str, partition: int) -> AsyncIterator[DeadRow]:
    """Yields the dead letters of a partition in offset order."""
    query = (
        "SELECT source_offset, key, value, reason, stage, kafka_time, erased "
        "FROM dead_letters "
        "WHERE source_topic = $1 AND source_partition = $2 ORDER BY source_offset"
    )
    async for row in snapshot.stream(query, topic, partition):
        yield DeadRow(*row)
