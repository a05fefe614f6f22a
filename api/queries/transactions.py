"""One order."""

from typing import Final

import asyncpg

from api.postgres import Database

_ONE: Final = """
SELECT transaction_id, user_id, timestamp, total_amount, category, country, payment_method, quantity,
    product_id, session_id
FROM transactions WHERE transaction_id = $1"""


async def one(database: Database, transaction_id: str) -> asyncpg.Record | None:
    """The order with this id."""
    rows = await database.fetch(_ONE, transaction_id)
    return rows[0] if rows else None
