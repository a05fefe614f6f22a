"""Revenue of the last minute, from the rows: the window slides by the second, panes do not."""

from datetime import datetime, timedelta
from typing import Final

import asyncpg

from api.postgres import Database

WINDOW: Final = timedelta(seconds=60)

_REVENUE: Final = """
SELECT grouping(category, country) AS summed, category, country,
    coalesce(sum(total_amount), 0)::NUMERIC(38, 2) AS revenue, count(*) AS transaction_count
FROM (
    SELECT name_or_unknown(category) AS category, name_or_unknown(country) AS country, total_amount
    FROM transactions WHERE timestamp > $1 AND timestamp <= $2
) AS sale
GROUP BY GROUPING SETS ((category), (country), ())
ORDER BY 1, revenue DESC, category, country"""
_LAST_EVENT: Final = """
SELECT max(watermark) AS last_event_at FROM stream_progress WHERE topic = 'transactions'"""

#: Values of `summed`: which columns a row adds up.
BY_CATEGORY: Final = 0b01
BY_COUNTRY: Final = 0b10
OVER_ALL: Final = 0b11


async def revenue(database: Database, now: datetime) -> list[asyncpg.Record]:
    """Returns sums over (now - 60 s, now]: per category, per country and in total, distinguished by `summed`."""
    return await database.fetch(_REVENUE, now - WINDOW, now)


async def last_event_at(database: Database) -> datetime | None:
    """Time of the newest accepted order, None before the first."""
    (row,) = await database.fetch(_LAST_EVENT)
    at: datetime | None = row["last_event_at"]
    return at
