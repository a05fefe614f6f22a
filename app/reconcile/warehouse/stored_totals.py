"""The totals that the warehouse must have, from PostgreSQL's rows.

No code of the batch is used: sums, scores and segment names are computed independently, in SQL and the table below.
"""

from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Final

import asyncpg

from app.errors import RecountError, text_of
from app.postgres.connections import POSTGRES_FAILURES, connect_auditor
from app.settings import PostgresSettings

#: Figures by check and, within it, by day, country, category or segment.
Totals = Mapping[str, Mapping[str, Decimal]]
DAYS: Final = "revenue by day"
COUNTRIES: Final = "revenue by country"
CATEGORIES: Final = "revenue by category"
ORDERS: Final = "orders by day"
TRENDS: Final = "revenue by day in trends"
SESSIONS: Final = "revenue of sessions"
CUSTOMERS: Final = "customers by segment"
#: Rows by R, columns by F, both from 1 to 5.
_SEGMENTS: Final = (
    ("Lost", "Hibernating", "At Risk", "At Risk", "Can't Lose Them"),
    ("Hibernating", "Hibernating", "At Risk", "At Risk", "Can't Lose Them"),
    ("About To Sleep", "About To Sleep", "Need Attention", "Loyal Customers", "Loyal Customers"),
    ("Promising", "Potential Loyalist", "Potential Loyalist", "Loyal Customers", "Loyal Customers"),
    ("New Customers", "Potential Loyalist", "Potential Loyalist", "Champions", "Champions"),
)
SEGMENT_NAMES: Final = frozenset(name for row in _SEGMENTS for name in row)
_BLANKS: Final = r"[\s\u001C-\u001F\u0085\u00A0\u1680\u2000-\u200A\u2028\u2029\u202F\u205F\u3000]*"


@asynccontextmanager
async def open_auditor(settings: PostgresSettings) -> AsyncIterator[asyncpg.Connection]:
    """A read-only connection as the worker's role.

    Raises RecountError when PostgreSQL fails, and SettingsError when it refuses the role or is not trusted.
    """
    try:
        connection = await connect_auditor(settings, "globalmart-reconcile")
        try:
            yield connection
        finally:
            await connection.close()
    except POSTGRES_FAILURES as error:
        raise RecountError(f"PostgreSQL: {text_of(error)}; check GLOBALMART_POSTGRES_*") from error


def counted(name: str) -> str:
    """Returns SQL for the name a category or country counts under, independent of the database's function for it."""
    unnamed = f"coalesce({name}, '') COLLATE \"C\" ~* '^{_BLANKS}(unknown)?{_BLANKS}$'"
    return f"CASE WHEN {unnamed} THEN 'unknown' ELSE {name} END"


_SALES: Final = f"""
    SELECT day, country, category, sum(total_amount) AS revenue, count(*) AS orders
    FROM (SELECT (timestamp AT TIME ZONE 'UTC')::date::text AS day, {counted("country")} AS country,
                 {counted("category")} AS category, total_amount
          FROM transactions WHERE timestamp < $1) AS counted
    GROUP BY GROUPING SETS ((day), (country), (category))"""
#: rank() is the contract's competition rank; the score is floor((rank - 1) * 5 / N) + 1.
_SCORES: Final = """
    SELECT r::integer, f::integer, count(*) AS customers
    FROM (SELECT (rank() OVER (ORDER BY last) - 1) * 5 / count(*) OVER () + 1 AS r,
                 (rank() OVER (ORDER BY orders) - 1) * 5 / count(*) OVER () + 1 AS f
          FROM (SELECT max(timestamp) AS last, count(*) AS orders
                FROM transactions WHERE timestamp < $1 GROUP BY user_id) AS customer) AS scored
    GROUP BY r, f"""


async def stored_totals(connection: asyncpg.Connection, as_of: date) -> Totals:
    """Returns every figure up to the end of `as_of`, UTC, from the rows of `transactions`."""
    end = datetime.combine(as_of + timedelta(days=1), datetime.min.time(), UTC)
    sales = await connection.fetch(_SALES, end)
    scores = await connection.fetch(_SCORES, end)
    days = _by("day", "revenue", sales)
    return {
        DAYS: days,
        COUNTRIES: _by("country", "revenue", sales),
        CATEGORIES: _by("category", "revenue", sales),
        ORDERS: _by("day", "orders", sales),
        TRENDS: days,
        SESSIONS: {"all": sum(days.values(), Decimal(0))},
        CUSTOMERS: _by_segment(scores),
    }


def _by(key: str, figure: str, rows: list[asyncpg.Record]) -> dict[str, Decimal]:
    """Returns the rows of one grouping set; in the other sets its key is null."""
    return {row[key]: Decimal(row[figure]) for row in rows if row[key] is not None}


def _by_segment(scores: list[asyncpg.Record]) -> dict[str, Decimal]:
    customers: Counter[str] = Counter()
    for row in scores:
        customers[_SEGMENTS[row["r"] - 1][row["f"] - 1]] += row["customers"]
    return {name: Decimal(count) for name, count in customers.items()}
