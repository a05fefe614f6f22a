"""Orders that retention took from PostgreSQL, read from the lake for a test on history.

The lake does not know an order's partition: it is that of the user's orders in PostgreSQL, else where Kafka's producers
put the user. It decides which histories belong together and which edition judged the order.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import asyncpg

from app.domain.money import cents_of
from app.domain.timestamps import midnight
from app.errors import LakeError
from app.events.topics.transactions import TransactionRow
from app.fraud.backtest.question import Prepared
from app.fraud.backtest.stored_orders import Unit, columns_of
from app.ops.lock import retention_floor
from app.topics import TRANSACTIONS

if TYPE_CHECKING:
    import pyarrow as pa

_PARTITIONS: Final = """
SELECT DISTINCT ON (user_id) user_id, source_partition FROM transactions
WHERE user_id = ANY($1) ORDER BY user_id, timestamp DESC"""
_STORED: Final = "SELECT transaction_id FROM transactions WHERE timestamp >= $1 AND timestamp < $2"
_USERS: Final = 20_000
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Archive:
    """Files of the lake that may have orders which PostgreSQL has no more.

    `stored` are the ids of those days that it still has, `partitions` those of users that have orders there, `orders`
    the number of orders in the files. Without a lake, histories begin at `histories_since`.
    """

    location: str = ""
    files: tuple[str, ...] = ()
    stored: frozenset[str] = frozenset()
    partitions: dict[str, int] | None = None
    orders: int = 0
    histories_since: datetime | None = None


async def open_archive(connection: asyncpg.Connection, prepared: Prepared, location: str) -> Archive:
    """Finds what is needed of the lake; an empty archive if PostgreSQL has all orders.

    Raises LakeError if orders of the range are gone from PostgreSQL and there is no lake. If only earlier ones are,
    histories begin with what PostgreSQL has.
    """
    floor = await retention_floor(connection, TRANSACTIONS)
    if floor is None or prepared.reads_from >= floor:
        return Archive()
    try:
        from app.ops.lake_access import filled_lake

        lake = filled_lake(location)
    except (LakeError, ModuleNotFoundError) as error:
        if prepared.question.start >= floor:
            return Archive(histories_since=floor)
        raise LakeError(
            f"orders before {floor:%Y-%m-%d} were deleted after their retention, and the question needs those since "
            f"{prepared.reads_from:%Y-%m-%d}, which are in the lake: {error}"
        ) from error
    first, last = prepared.reads_from.date(), min(floor, prepared.question.end).date()
    days = lake.read_manifest().days(TRANSACTIONS)
    wanted = sorted(day for day in days if first <= day <= last)
    if not wanted:
        return Archive()
    files = tuple(days[day].file for day in wanted)
    rows = await connection.fetch(_STORED, midnight(wanted[0]), midnight(wanted[-1]) + _DAY)
    users = {user for name in files for rows in lake.read_pieces(name, ["user_id"]) for user in _texts(rows)}
    orders = sum(days[day].summary.rows for day in wanted)
    partitions = await _partitions(connection, sorted(users))
    return Archive(lake.location, files, frozenset(row[0] for row in rows), partitions, orders)


def archived_orders(archive: Archive, prepared: Prepared, unit: Unit) -> list[TransactionRow]:
    """Returns the unit's orders that only the lake has, in offset order."""
    if not archive.files:
        return []
    mine = _membership(archive, unit, len(prepared.ends))
    since, until = prepared.reads_from, prepared.question.end
    rows = [
        row
        for row in _rows(archive, columns_of(prepared.rules))
        if mine(row.user_id) and since <= row.timestamp < until and row.transaction_id not in archive.stored
    ]
    return sorted(rows, key=lambda row: row.source_offset)


async def _partitions(connection: asyncpg.Connection, users: Sequence[str]) -> dict[str, int]:
    partitions: dict[str, int] = {}
    for first in range(0, len(users), _USERS):
        rows = await connection.fetch(_PARTITIONS, users[first : first + _USERS])
        partitions.update((row["user_id"], row["source_partition"]) for row in rows)
    return partitions


def _membership(archive: Archive, unit: Unit, partitions: int) -> Callable[[str], bool]:
    from app.kafka.partitioning import partition_of

    known: dict[str, bool] = {}
    stored = archive.partitions or {}

    def mine(user_id: str) -> bool:
        found = known.get(user_id)
        if found is None:
            partition = stored.get(user_id)
            if partition is None:
                partition = partition_of(user_id.encode(), partitions)
            found = known[user_id] = partition == unit.partition and unit.has(user_id)
        return found

    return mine


def _rows(archive: Archive, names: set[str]) -> Iterator[TransactionRow]:
    from app.ops.lake_access import filled_lake
    from batch.sources import LAKE_TABLES

    lake, source = filled_lake(archive.location), LAKE_TABLES[TRANSACTIONS]
    for name in archive.files:
        for piece in lake.read_day_pieces(source, name):
            columns = [_column(piece, field, names) for field in TransactionRow._fields]
            yield from map(TransactionRow._make, zip(*columns, strict=True))


def _column(piece: "pa.Table", field: str, names: set[str]) -> list[Any]:
    if field == "amount_cents":
        return [cents_of(amount) for amount in piece["total_amount"].to_pylist()]
    values: list[Any] = piece[field].to_pylist() if field in names else [None] * len(piece)
    return values


def _texts(rows: "pa.Table") -> list[str]:
    texts: list[str] = rows["user_id"].unique().to_pylist()
    return texts
