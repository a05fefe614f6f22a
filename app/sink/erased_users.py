"""Reads the erased users."""

from typing import Final

import asyncpg

from app.domain.pseudonyms import ErasedUsers, Pseudonym

_READ: Final = """
SELECT k.key, e.user_hash, e.pseudonym, e.session_key
FROM erased_users e CROSS JOIN erasure_key k WHERE $1 = ANY(e.topics)"""


async def read_erased(connection: asyncpg.Connection, topic: str) -> ErasedUsers:
    """Returns the users whose new events of a topic are stored under pseudonyms."""
    rows = await connection.fetch(_READ, topic)
    users = {row["user_hash"]: Pseudonym(row["pseudonym"], row["session_key"]) for row in rows}
    return ErasedUsers(rows[0]["key"] if rows else b"", users)
