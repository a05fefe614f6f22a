"""Anomalies: newest first by the time of the order, and in the outbox's order for the event stream."""

from datetime import datetime
from typing import Any, Final

import asyncpg

from api.cursors import Place
from api.dates import Period
from api.postgres_reader import Database

_COLUMNS: Final = (
    "id, transaction_id, user_id, anomaly_type, anomaly_score, amount, detected_at, description, "
    "event_time, threshold, position"
)
#: With the order's verdict, null for anomalies of before there were any.
_AFTER: Final = f"""
SELECT raised.*, risk_score, action FROM (
    SELECT {_COLUMNS}, rule_version, severity, suppressed FROM transaction_anomalies
    WHERE position > $1 ORDER BY position LIMIT $2
) AS raised LEFT JOIN verdicts USING (transaction_id) ORDER BY position"""
_NEWEST_POSITION: Final = "SELECT numbered_position FROM outbox_progress WHERE stream = 'anomalies'"
_OF_TRANSACTION: Final = f"""
SELECT {_COLUMNS} FROM transaction_anomalies WHERE transaction_id = $1 ORDER BY anomaly_type"""
_OF_TRANSACTIONS: Final = f"""
SELECT {_COLUMNS} FROM transaction_anomalies WHERE transaction_id = ANY($1)
ORDER BY event_time DESC, id DESC"""
# The country is that of the order. It is looked up anomaly by anomaly until the page is full;
# a country without orders would read all of them, so that is checked once before.
_FROM_COUNTRY: Final = (
    "EXISTS (SELECT FROM revenue_daily WHERE country = ${0}) AND (SELECT name_or_unknown(country) FROM transactions "
    "WHERE transactions.transaction_id = transaction_anomalies.transaction_id) = ${0}"
)


async def page(
    database: Database,
    period: Period,
    anomaly_type: str | None,
    after: Place | None,
    limit: int,
    *,
    country: str | None = None,
) -> list[asyncpg.Record]:
    """Returns up to `limit` anomalies of orders in the period, newest first, after a place."""
    query, arguments = page_query(period, anomaly_type, after, limit, country=country)
    return await database.fetch(query, *arguments)


def page_query(
    period: Period, anomaly_type: str | None, after: Place | None, limit: int, *, country: str | None = None
) -> tuple[str, list[Any]]:
    """Returns the statement and its arguments."""
    arguments: list[Any] = [period.start, period.end, limit]
    conditions = ["event_time >= $1", "event_time < $2"]
    if anomaly_type is not None:
        arguments.append(anomaly_type)
        conditions.append(f"anomaly_type = ${len(arguments)}")
    if country is not None:
        arguments.append(country)
        conditions.append(_FROM_COUNTRY.format(len(arguments)))
    if after is not None:
        arguments += after
        conditions.append(f"(event_time, id) < (${len(arguments) - 1}, ${len(arguments)})")
    where = " AND ".join(conditions)
    query = f"""
SELECT {_COLUMNS} FROM transaction_anomalies WHERE {where}
ORDER BY event_time DESC, id DESC LIMIT $3"""
    return query, arguments


async def of_transaction(database: Database, transaction_id: str) -> list[asyncpg.Record]:
    """Returns the anomalies of one order, by type."""
    return await database.fetch(_OF_TRANSACTION, transaction_id)


async def of_transactions(database: Database, transaction_ids: list[str]) -> list[asyncpg.Record]:
    """Returns the anomalies of some orders, newest order first."""
    return await database.fetch(_OF_TRANSACTIONS, transaction_ids)


async def after_position(database: Database, position: int, limit: int) -> list[asyncpg.Record]:
    """Returns the next anomalies by position, which is the order of their commits."""
    return await database.fetch(_AFTER, position, limit)


async def newest_position(database: Database) -> int:
    """Returns the highest position of an anomaly; 0 before the first."""
    (row,) = await database.fetch(_NEWEST_POSITION)
    position: int = row["numbered_position"]
    return position


def place_of(row: asyncpg.Record) -> Place:
    """Returns the end of a page whose last row is this one."""
    time: datetime = row["event_time"]
    return Place(time, row["id"])
