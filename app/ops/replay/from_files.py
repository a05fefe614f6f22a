"""Imports history from Parquet files through Kafka and the workers.

Only events whose id is missing in PostgreSQL are sent. An event sent twice (by a second run before the worker has
consumed the first) is counted as a duplicate. A day whose sums count more rows than exist is refused: storing the
missing rows again would count them twice.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import asyncpg
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from app.domain.timestamps import midnight
from app.errors import LakeError, text_of
from app.kafka.producer import Outgoing, RecordPosition, ReplaySender
from app.ops.dead_letters.validation import Attempt, refusal, time_limits
from app.ops.lock import retention_floor
from app.settings import Settings
from app.topics import SOURCES, TRANSACTIONS

_BATCH: Final = 5_000
_GONE: Final = """
SELECT coalesce((SELECT sum(transaction_count) FROM sales_daily WHERE day = $1), 0)::BIGINT
    - (SELECT count(*) FROM transactions WHERE timestamp >= $1 AND timestamp < $2)"""


@dataclass(frozen=True, slots=True)
class RowBatch:
    """Some rows of one table, and their source."""

    table: str
    origin: str
    rows: pa.Table


@dataclass(slots=True)
class ImportResult:
    """Per table: rows read, events sent, events that the worker would reject; refused days and why."""

    read: Counter[str] = field(default_factory=Counter)
    sent: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    left_out: list[str] = field(default_factory=list)
    ends: dict[tuple[str, int], int] = field(default_factory=dict)


def lake_batches(location: str, first: date, last: date) -> Iterator[RowBatch]:
    """Yields the lake's rows of the UTC days first to last in batches; raises LakeError if there is no lake."""
    from app.ops.lake_access import filled_lake
    from batch.sources import LAKE_TABLES

    lake = filled_lake(location)
    manifest = lake.read_manifest()
    for source in LAKE_TABLES.values():
        for day, found in sorted(manifest.days(source.name).items()):
            if first <= day <= last:
                for rows in lake.read_pieces(found.file):
                    yield RowBatch(source.name, f"lake {found.file}", rows)


def parquet_batches(files: Sequence[Path], table: str) -> Iterator[RowBatch]:
    """Yields rows of Parquet files with a table's columns in batches; raises LakeError for an unreadable file."""
    for path in files:
        try:
            with pq.ParquetFile(path) as file:
                for rows in file.iter_batches(_BATCH):
                    yield RowBatch(table, f"file {path.name}", pa.Table.from_batches([rows]))
        except (OSError, pa.ArrowException) as error:
            raise LakeError(f"{path} cannot be read as Parquet: {text_of(error)}") from error


class HistoryImporter:
    """Sends the events of batches of history that are missing in PostgreSQL."""

    def __init__(self, settings: Settings, connection: asyncpg.Connection, sender: ReplaySender) -> None:
        self._connection = connection
        self._sender = sender
        self._limits = time_limits(settings.stream)
        self._reasons: dict[tuple[str, date], str] = {}
        self.done = ImportResult()

    async def send(self, batch: RowBatch, sent_at_ms: int) -> None:
        """Sends the batch's missing events, except those of days that retention has deleted or that are damaged."""
        for part in batch.rows.to_batches(max_chunksize=_BATCH):
            rows = part.to_pylist()
            self.done.read[batch.table] += len(rows)
            rows = [row for row in rows if await self._may_send(batch.table, _day(row))]
            missing = await self._missing_ids(batch.table, rows)
            self._send(batch, [row for row in rows if _id(batch.table, row) in missing], sent_at_ms)

    async def consumed(self) -> bool:
        """Whether workers have committed everything that was sent."""
        rows = await self._connection.fetch("SELECT topic, partition, next_offset FROM stream_progress")
        ledger = {(row["topic"], row["partition"]): row["next_offset"] for row in rows}
        return all(ledger.get(place, 0) >= end for place, end in self.done.ends.items())

    async def _may_send(self, table: str, day: date | None) -> bool:
        """Whether events of the day may be sent; each day is checked once, before its first event."""
        if day is None:
            return True
        if (table, day) not in self._reasons:
            reason = self._reasons[table, day] = await self._refusal(table, day)
            if reason:
                self.done.left_out.append(f"{table} {day}: {reason}")
        return not self._reasons[table, day]

    async def _refusal(self, table: str, day: date) -> str:
        floor = await retention_floor(self._connection, table)
        if floor is not None and midnight(day) < floor:
            return "deleted after its retention; its sums are final"
        if table != TRANSACTIONS:
            return ""
        start = midnight(day)
        gone = await self._connection.fetchval(_GONE, start, start + timedelta(days=1))
        if gone > 0:
            return f"its sums count {gone} rows that no longer exist; restore those from Kafka first"
        return ""

    async def _missing_ids(self, table: str, rows: Sequence[dict[str, Any]]) -> set[Any]:
        key = SOURCES[table].identity[0]
        found = await self._connection.fetch(
            f"SELECT {key} FROM {table} WHERE {key} = ANY($1::TEXT[])", [row[key] for row in rows]
        )
        return {row[key] for row in rows} - {row[key] for row in found}

    def _send(self, batch: RowBatch, rows: Sequence[dict[str, Any]], sent_at_ms: int) -> None:
        records = []
        for row in rows:
            record = _outgoing(batch, row)
            attempt = Attempt(record.key, record.value, sent_at_ms)
            if refusal(batch.table, attempt, self._limits) is None:
                records.append(record)
            else:
                self.done.refused[batch.table] += 1
        for place in self._sender.send(records, sent_at_ms):
            self._record_end(batch.table, place)
        self.done.sent[batch.table] += len(records)

    def _record_end(self, table: str, place: RecordPosition) -> None:
        at = (table, place.partition)
        self.done.ends[at] = max(self.done.ends.get(at, 0), place.offset + 1)


def _id(table: str, row: dict[str, Any]) -> Any:
    return row[SOURCES[table].identity[0]]


def _day(row: dict[str, Any]) -> date | None:
    """Returns the UTC day of an event; None for an invalid time, which the decoder will reject."""
    timestamp = row.get("timestamp")
    if isinstance(timestamp, str):
        try:
            timestamp = datetime.fromisoformat(timestamp)
        except ValueError:
            return None
    if not isinstance(timestamp, datetime):
        return None
    aware = timestamp if timestamp.tzinfo else timestamp.replace(tzinfo=UTC)
    return aware.astimezone(UTC).date()


def _outgoing(batch: RowBatch, row: dict[str, Any]) -> Outgoing:
    event = {name: value for name, value in row.items() if value is not None and name != "source_offset"}
    key = str(event.get(SOURCES[batch.table].record_key, ""))
    return Outgoing(batch.table, batch.origin, key.encode(), orjson.dumps(event, default=_decimal_text))


def _decimal_text(value: Any) -> str:
    """Converts amounts to decimal strings; raises TypeError for other types, which no event has."""
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(f"an event has no field of type {type(value).__name__}")
