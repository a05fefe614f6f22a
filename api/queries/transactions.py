"""Single orders."""

from typing import Final

import asyncpg

from api.postgres import Database

_ONE: Final = """
SELECT transaction_id, user_id, timestamp, total_amount, category, country, payment_method, quantity,
    product_id, session_id
FROM transactions WHERE transaction_id = $1"""
_NEWEST: Final = """
SELECT transaction_id, timestamp, total_amount, category, country, payment_method, quantity, product_id
FROM transactions WHERE user_id = $1 ORDER BY timestamp DESC LIMIT $2"""


async def one(database: Database, transaction_id: str) -> asyncpg.Record | None:
    """Returns the order with this id."""
    rows = await database.fetch(_ONE, transaction_id)
    return rows[0] if rows else None


async def newest_of(database: Database, user_id: str, limit: int) -> list[asyncpg.Record]:
    """Returns a user's newest orders, newest first."""
    return await database.fetch(_NEWEST, user_id, limit)
