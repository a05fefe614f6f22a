"""Names that occur: each is found by a step in an index, not by reading what bears it."""

from typing import Final

from api.postgres import Database

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


async def countries(database: Database) -> list[str]:
    """Countries of the stored orders, sorted; `unknown` where some have none."""
    return [row["name"] for row in await database.fetch(COUNTRIES)]


async def categories(database: Database) -> list[str]:
    """Categories of the stored orders, sorted; `unknown` where some have none."""
    return [row["name"] for row in await database.fetch(CATEGORIES)]
