"""Orders, their totals over any period, the last minute and hour, and the names that occur.

Totals come from rollups for whole days, hours and minutes, the rest from rows.
"""

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, NamedTuple

import asyncpg

from api.dates import DAY, HOUR, MINUTE, Period, TimeRange, time_ranges
from api.postgres_reader import Database
from api.responses import SUM_TYPE

_NAMES: Final = """
WITH RECURSIVE step (name) AS (
    (SELECT {column} FROM {table} ORDER BY {column} LIMIT 1)
    UNION ALL
    SELECT (SELECT {column} FROM {table} WHERE {column} > name ORDER BY {column} LIMIT 1)
    FROM step WHERE name IS NOT NULL
)
SELECT name FROM step WHERE name IS NOT NULL"""
COUNTRIES: Final = _NAMES.format(column="country", table="revenue_daily")
CATEGORIES: Final = _NAMES.format(column="category", table="sales_daily")
WINDOW: Final = timedelta(seconds=60)
#: Whole minutes of the last hour; the running minute follows them.
WHOLE_MINUTES: Final = 60
_REVENUE: Final = f"""
SELECT grouping(category, country) AS summed, category, country,
    coalesce(sum(total_amount), 0)::{SUM_TYPE} AS revenue, count(*) AS transaction_count
FROM (
    SELECT name_or_unknown(category) AS category, name_or_unknown(country) AS country, total_amount
    FROM transactions WHERE timestamp > $1 AND timestamp <= $2
) AS sale
GROUP BY GROUPING SETS ((category), (country), ())
ORDER BY 1, revenue DESC, category, country"""
_LAST_EVENT: Final = """
SELECT max(watermark) AS last_event_at FROM stream_progress WHERE topic = 'transactions'"""
#: The country of an anomaly is that of its order.
_MINUTES: Final = f"""
WITH sale AS (
    SELECT minute AS start, sum(total_amount) AS revenue, sum(transaction_count) AS transaction_count
    FROM revenue_minutely WHERE minute >= $1 AND minute < $2 AND ($3::TEXT IS NULL OR country = $3)
    GROUP BY minute
), anomaly AS (
    SELECT date_trunc('minute', event_time, 'UTC') AS start, count(*) AS anomalies
    FROM transaction_anomalies WHERE event_time >= $1 AND event_time < $2 AND ($3::TEXT IS NULL OR (
        SELECT name_or_unknown(country) FROM transactions
        WHERE transactions.transaction_id = transaction_anomalies.transaction_id) = $3)
    GROUP BY 1
)
SELECT start, coalesce(revenue, 0)::{SUM_TYPE} AS revenue,
    coalesce(transaction_count, 0)::BIGINT AS transaction_count, coalesce(anomalies, 0) AS anomalies
FROM generate_series($1::TIMESTAMPTZ, $2::TIMESTAMPTZ - INTERVAL '1 minute', INTERVAL '1 minute') AS minute (start)
LEFT JOIN sale USING (start) LEFT JOIN anomaly USING (start)
ORDER BY start"""
#: Values of `summed`: which columns a row adds up.
BY_CATEGORY: Final = 0b01
BY_COUNTRY: Final = 0b10
OVER_ALL: Final = 0b11
_TABLES: Final[Mapping[timedelta | None, str]] = {
    DAY: "SELECT total_amount, transaction_count FROM revenue_daily WHERE day",
    HOUR: "SELECT total_amount, transaction_count FROM revenue_hourly WHERE hour",
    MINUTE: "SELECT total_amount, transaction_count FROM revenue_minutely WHERE minute",
    None: "SELECT total_amount, 1 FROM transactions WHERE timestamp",
}
#: Sums stand under the name already, rows as they came.
_COUNTRY: Final[Mapping[timedelta | None, str]] = {None: "name_or_unknown(country)"}
_EXTENT: Final = "SELECT min(day) AS first, max(day) AS last FROM revenue_daily"


async def countries(database: Database) -> list[str]:
    """Countries of the stored orders, sorted; `unknown` where some have none."""
    return [row["name"] for row in await database.fetch(COUNTRIES)]


async def categories(database: Database) -> list[str]:
    """Categories of the stored orders, sorted; `unknown` where some have none."""
    return [row["name"] for row in await database.fetch(CATEGORIES)]


async def live_revenue(database: Database, now: datetime) -> list[asyncpg.Record]:
    """Returns sums over (now - 60 s, now]: per category, per country and in total, distinguished by `summed`."""
    return await database.fetch(_REVENUE, now - WINDOW, now)


async def live_minutes(database: Database, now: datetime, country: str | None) -> list[asyncpg.Record]:
    """Returns the last 60 whole minutes and the one in which `now` lies, oldest first, also those without orders."""
    running = now.replace(second=0, microsecond=0)
    return await database.fetch(_MINUTES, running - WHOLE_MINUTES * MINUTE, running + MINUTE, country)


async def last_event_at(database: Database) -> datetime | None:
    """Time of the newest accepted order, None before the first."""
    (row,) = await database.fetch(_LAST_EVENT)
    at: datetime | None = row["last_event_at"]
    return at


async def order(database: Database, transaction_id: str, columns: Iterable[str]) -> asyncpg.Record | None:
    """Returns these columns of the order with this id."""
    query = f"SELECT {', '.join(columns)} FROM transactions WHERE transaction_id = $1"
    rows = await database.fetch(query, transaction_id)
    return rows[0] if rows else None


async def newest_orders(database: Database, user_id: str, columns: Iterable[str], limit: int) -> list[asyncpg.Record]:
    """Returns these columns of a user's newest orders, newest first."""
    query = f"SELECT {', '.join(columns)} FROM transactions WHERE user_id = $1 ORDER BY timestamp DESC LIMIT $2"
    return await database.fetch(query, user_id, limit)


class Totals(NamedTuple):
    """Exact sum and number of orders."""

    revenue: Decimal
    transactions: int


class Extent(NamedTuple):
    """UTC days of the first and the last order stored, None without any."""

    first: date | None
    last: date | None


async def totals(database: Database, period: Period, country: str | None) -> Totals:
    """Returns sum and number of the orders of a period, of one country or of all."""
    query, arguments = totals_query(time_ranges(period.start, period.end), country)
    (row,) = await database.fetch(query, *arguments)
    return Totals(row["revenue"], row["transactions"])


def totals_query(pieces: Iterable[TimeRange], country: str | None) -> tuple[str, list[Any]]:
    """Returns the statement and its arguments for pieces that do not overlap."""
    arguments: list[Any] = [country]
    selects = ["SELECT 0.00, 0 WHERE $1::TEXT IS NULL"]
    for unit, start, end in pieces:
        arguments += [start, end]
        column = _TABLES[unit].rsplit(" ", 1)[1]
        first, last = len(arguments) - 1, len(arguments)
        only = "" if country is None else f" AND {_COUNTRY.get(unit, 'country')} = $1"
        selects.append(f"{_TABLES[unit]} >= ${first} AND {column} < ${last}{only}")
    rows = " UNION ALL ".join(selects)
    return (
        f"SELECT coalesce(sum(amount), 0)::{SUM_TYPE} AS revenue, "
        f"coalesce(sum(number), 0)::BIGINT AS transactions FROM ({rows}) AS piece (amount, number)",
        arguments,
    )


async def extent(database: Database) -> Extent:
    """Returns the first and the last stored day."""
    (row,) = await database.fetch(_EXTENT)
    days = (None if at is None else at.date() for at in row)
    return Extent(*days)
