"""History out of Parquet, through Kafka and the worker's own sink: events of the lake PostgreSQL never had.

Only ids PostgreSQL lacks are sent. What is sent twice all the same (a second run before the worker has consumed the
first) counts as a duplicate. A day whose sums already count rows that are gone is refused: storing those again would
count them twice.
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

from app.errors import LakeError, text_of
from app.kafka.producer import Outgoing, RecordPosition, ReplaySender
from app.ops.dead_letters.validation import Attempt, refusal, stored_topic, time_limits
from app.ops.lock import midnight, retention_floor
from app.settings import Settings
from app.topics import TRANSACTIONS

_BATCH: Final = 5_000
_GONE: Final = """
SELECT coalesce((SELECT sum(transaction_count) FROM sales_daily WHERE day = $1), 0)::BIGINT
    - (SELECT count(*) FROM transactions WHERE timestamp >= $1 AND timestamp < $2)"""


@dataclass(frozen=True, slots=True)
class RowBatch:
    """Some rows of one table, and where they come from."""

    table: str
    origin: str
    rows: pa.Table


@dataclass(slots=True)
class ImportResult:
    """Per table: rows looked at, events sent, events the worker would refuse; days left out and why."""

    read: Counter[str] = field(default_factory=Counter)
    sent: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    left_out: list[str] = field(default_factory=list)
    ends: dict[tuple[str, int], int] = field(default_factory=dict)


def lake_batches(location: str, first: date, last: date) -> Iterator[RowBatch]:
    """The lake's rows of the UTC days first to last, day by day in batches; raises LakeError where there is no lake."""
    from app.ops.lake import filled_lake
    from batch.sources import SOURCES

    lake = filled_lake(location)
    manifest = lake.read_manifest()
    for source in SOURCES:
        for day, found in sorted(manifest.days(source.name).items()):
            if first <= day <= last:
                for rows in lake.read_pieces(found.file):
                    yield RowBatch(source.name, f"lake {found.file}", rows)


def parquet_batches(files: Sequence[Path], table: str) -> Iterator[RowBatch]:
    """Rows of Parquet files with the columns of a table's events, in batches; raises LakeError for one that is none."""
    for path in files:
        try:
            with pq.ParquetFile(path) as file:
                for rows in file.iter_batches(_BATCH):
                    yield RowBatch(table, f"file {path.name}", pa.Table.from_batches([rows]))
        except (OSError, pa.ArrowException) as error:
            raise LakeError(f"{path} cannot be read as Parquet: {text_of(error)}") from error


class HistoryImporter:
    """Sends what PostgreSQL lacks of batches of history."""

    def __init__(self, settings: Settings, connection: asyncpg.Connection, sender: ReplaySender) -> None:
        self._connection = connection
        self._sender = sender
        self._limits = time_limits(settings.stream)
        self._reasons: dict[tuple[str, date], str] = {}
        self.done = ImportResult()

    async def feed(self, batch: RowBatch, sent_at_ms: int) -> None:
        """Send the batch's events that are lacking, without those of days under retention or damaged."""
        for part in batch.rows.to_batches(max_chunksize=_BATCH):
            rows = part.to_pylist()
            self.done.read[batch.table] += len(rows)
            rows = [row for row in rows if await self._may_come(batch.table, _day(row))]
            lacking = await self._lacking(batch.table, rows)
            self._send(batch, [row for row in rows if _id(batch.table, row) in lacking], sent_at_ms)

    async def consumed(self) -> bool:
        """Whether workers have committed everything that was sent."""
        rows = await self._connection.fetch("SELECT topic, partition, next_offset FROM stream_progress")
        ledger = {(row["topic"], row["partition"]): row["next_offset"] for row in rows}
        return all(ledger.get(place, 0) >= end for place, end in self.done.ends.items())

    async def _may_come(self, table: str, day: date | None) -> bool:
        """Whether events of the day may be sent; a day is asked about once, before its first event."""
        if day is None:
            return True
        if (table, day) not in self._reasons:
            reason = self._reasons[table, day] = await self._why_not(table, day)
            if reason:
                self.done.left_out.append(f"{table} {day}: {reason}")
        return not self._reasons[table, day]

    async def _why_not(self, table: str, day: date) -> str:
        floor = await retention_floor(self._connection, table)
        if floor is not None and midnight(day) < floor:
            return "deleted after its retention; what its sums say stands"
        if table != TRANSACTIONS:
            return ""
        start = midnight(day)
        gone = await self._connection.fetchval(_GONE, start, start + timedelta(days=1))
        if gone > 0:
            return f"its sums count {gone} rows that are gone; put those back from Kafka first"
        return ""

    async def _lacking(self, table: str, rows: Sequence[dict[str, Any]]) -> set[Any]:
        key = stored_topic(table).key[0]
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
            self._note(batch.table, place)
        self.done.sent[batch.table] += len(records)

    def _note(self, table: str, place: RecordPosition) -> None:
        at = (table, place.partition)
        self.done.ends[at] = max(self.done.ends.get(at, 0), place.offset + 1)


def _id(table: str, row: dict[str, Any]) -> Any:
    return row[stored_topic(table).key[0]]


def _day(row: dict[str, Any]) -> date | None:
    """The UTC day of an event; None where its time is no time, which the decoder will refuse."""
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
    user = str(event.get("user_id", ""))
    return Outgoing(batch.table, batch.origin, user.encode(), orjson.dumps(event, default=_decimal_text))


def _decimal_text(value: Any) -> str:
    """Amounts travel as decimal strings; anything else has no place in an event."""
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(f"{type(value).__name__} is no field of an event")
