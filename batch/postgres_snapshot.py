"""A snapshot of PostgreSQL: everything is read in one REPEATABLE READ READ ONLY transaction."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, TypeAlias

import pyarrow as pa

from app.errors import LakeError
from app.settings import PostgresSettings
from batch.adbc import connect
from batch.manifest import DayChecksum
from batch.sources import LakeTable

#: Reads a snapshot's rows by other means than its own session, as `Snapshot.tables`.
Reader: TypeAlias = Callable[["Snapshot", LakeTable, date, date], Iterator[pa.Table]]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A snapshot; `taken_at` is PostgreSQL's time, `id` PostgreSQL's identifier."""

    connection: Any
    taken_at: datetime
    id: str
    reader: Reader | None = None

    def day_checksums(self, source: LakeTable, as_of: date) -> dict[date, DayChecksum]:
        """Returns rows and checksum of every day up to and including `as_of`, computed by PostgreSQL."""
        with self.connection.cursor() as cursor:
            cursor.execute(source.checksums_sql.format(table=source.name, end=_end_of(as_of)))
            return {
                _day(source, text, rows): DayChecksum(rows, int(checksum)) for text, rows, checksum in cursor.fetchall()
            }

    def export(self) -> str:
        """Exports the snapshot for other sessions; returns its name, valid while this one is open."""
        with self.connection.cursor() as cursor:
            cursor.execute("SELECT pg_export_snapshot()")
            return str(cursor.fetchone()[0])

    def deleted_before(self, source: LakeTable) -> date | None:
        """Returns the first day without rows deleted by retention; None if nothing was deleted."""
        with self.connection.cursor() as cursor:
            cursor.execute(
                "SELECT (max(deleted_before) AT TIME ZONE 'UTC')::date FROM retention_progress "
                f"WHERE topic = '{source.name}'"
            )
            found: date | None = cursor.fetchone()[0]
        return found

    def tables(self, source: LakeTable, first: date, last: date) -> Iterator[pa.Table]:
        """Yields the rows of the days `first` to `last`, inclusive, in pieces with the lake's schema."""
        if self.reader is not None:
            yield from self.reader(self, source, first, last)
            return
        columns = ", ".join(source.columns)
        with self.connection.cursor() as cursor:
            cursor.execute(
                f"SELECT {columns} FROM {source.name} WHERE timestamp >= '{first} 00:00:00+00' "
                f"AND timestamp < {_end_of(last)}"
            )
            for batch in cursor.fetch_record_batch():
                yield _as_in_lake(batch, source.arrow_schema)


@contextmanager
def open_snapshot(settings: PostgresSettings, reader: Reader | None = None) -> Iterator[Snapshot]:
    """Opens a snapshot for the block."""
    with connect(settings, "globalmart-batch") as connection:
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            cursor.execute("SELECT now(), pg_current_snapshot()::text")
            taken_at, snapshot_id = cursor.fetchone()
        yield Snapshot(connection, taken_at, snapshot_id, reader)
        connection.rollback()


def _as_in_lake(batch: pa.RecordBatch, schema: pa.Schema) -> pa.Table:
    """Casts to the lake's schema; numeric arrives as text in an extension type, which casts to decimals exactly."""
    columns = [column.storage if isinstance(column, pa.ExtensionArray) else column for column in batch.columns]
    return pa.table([column.cast(field.type) for column, field in zip(columns, schema, strict=True)], schema=schema)


def _end_of(day: date) -> str:
    """Returns SQL for the end of a UTC day, computed by PostgreSQL because Python has no day after its last."""
    return f"((DATE '{day}' + 1)::timestamp AT TIME ZONE 'UTC')"


def _day(source: LakeTable, text: str, rows: int) -> date:
    """Parses a day; raises LakeError for one that only PostgreSQL can store: before year 1, after 9999, an infinity."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise LakeError(
            f"{source.name} in PostgreSQL holds {rows:,} rows of the day {text}, which lies outside the years 1 "
            "to 9999 and was not written by a worker. Correct or delete the rows, then run again"
        ) from None
