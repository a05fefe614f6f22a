"""Erases a user from PostgreSQL: first makes all workers store the pseudonym, then renames the stored rows.

The ledger rows of a topic are locked while its workers are fenced, so no chunk can commit in between. Orders are
renamed in the same transaction, because the anomaly rules of the next order count the previous ones. Views and carts
have no index by user: they are found without a lock, and renamed by their keys in batches, with the ledger rows locked
again. A duplicate that arrives meanwhile is compared with both names.
"""

import secrets
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import asyncpg

from app.domain.pseudonyms import PREFIX, Pseudonym, user_hash
from app.errors import GlobalMartError
from app.topics import ANOMALIES, CART_EVENTS, PRODUCT_VIEWS, SOURCE_TOPICS, TRANSACTIONS

Reached = Callable[[str], None]

_BATCH: Final = 1_000
_BEGIN: Final = """
INSERT INTO erased_users AS e (user_hash, pseudonym, session_key) VALUES ($1, $2, $3)
ON CONFLICT (user_hash) DO UPDATE SET renamed_at = NULL, finished_at = NULL
RETURNING pseudonym, session_key"""
_LOCK: Final = """
SELECT partition FROM stream_progress WHERE topic = $1 ORDER BY partition FOR NO KEY UPDATE"""
_ADD_TOPIC: Final = """
UPDATE erased_users SET topics = topics || $2::TEXT WHERE user_hash = $1 AND NOT $2 = ANY(topics)"""
_FENCE: Final = """
UPDATE stream_progress SET erasures = erasures + 1 WHERE topic = $1 AND partition = ANY($2::INTEGER[])"""
_UNFENCED: Final = """
SELECT count(*) FROM stream_progress WHERE topic = $1 AND NOT partition = ANY($2::INTEGER[])"""
#: `Pseudonym.session` in SQL; a session that is null stays null.
_RENAME: Final = f"""
UPDATE {{table}} SET user_id = $2, session_id =
    '{PREFIX}' || substr(encode(sha256($3::BYTEA || convert_to(session_id, 'UTF8')), 'hex'), 1, 32)
WHERE user_id = $1"""


@dataclass(slots=True)
class TableEraser:
    """Erases one user through a session with the maintenance lock; `reached` is called after each step."""

    connection: asyncpg.Connection
    user_id: str
    reached: Reached
    done: Counter[str] = field(default_factory=Counter)

    async def begin(self) -> Pseudonym:
        """Stores the user's pseudonym, once; raises GlobalMartError if the id is a pseudonym itself."""
        if await self.connection.fetchval("SELECT 1 FROM erased_users WHERE pseudonym = $1", self.user_id):
            raise GlobalMartError("this is a pseudonym: its user was erased before")
        (row,) = await self.connection.fetch(
            _BEGIN, await self.hashed(), PREFIX + secrets.token_hex(16), secrets.token_bytes(32)
        )
        self.reached("begun")
        return Pseudonym(row["pseudonym"], row["session_key"])

    async def rename(self, pseudonym: Pseudonym) -> None:
        """Prevents new rows with the id, topic by topic, and renames the stored ones."""
        for topic in SOURCE_TOPICS:
            while not await self._fence_workers(topic, pseudonym):
                pass
            self.reached(topic)
        for table in (PRODUCT_VIEWS, CART_EVENTS):
            await self._rename_events(table, pseudonym)
        async with self.connection.transaction():
            await lock_publisher(self.connection, ANOMALIES)
            status = await self.connection.execute(
                "UPDATE transaction_anomalies SET user_id = $2 WHERE user_id = $1", self.user_id, pseudonym.user_id
            )
        self.done["transaction_anomalies"] += _rows(status)

    async def mark(self, column: str) -> None:
        """Stores the time at which this step was completed."""
        await self.connection.execute(
            f"UPDATE erased_users SET {column} = CURRENT_TIMESTAMP WHERE user_hash = $1", await self.hashed()
        )
        self.reached(column)

    async def count(self) -> Counter[str]:
        """Counts the rows with the id."""
        for table in (TRANSACTIONS, PRODUCT_VIEWS, CART_EVENTS, "transaction_anomalies"):
            self.done[table] = await self.connection.fetchval(
                f"SELECT count(*) FROM {table} WHERE user_id = $1", self.user_id
            )
        return self.done

    async def hashed(self) -> bytes:
        """Returns the keyed hash of the user's id."""
        key: bytes = await self.connection.fetchval("SELECT key FROM erasure_key")
        return user_hash(key, self.user_id)

    async def _fence_workers(self, topic: str, pseudonym: Pseudonym) -> bool:
        """Fences every worker whose state is older; returns False if a partition was opened meanwhile."""
        connection = self.connection
        async with connection.transaction():
            partitions = [row[0] for row in await connection.fetch(_LOCK, topic)]
            if topic == TRANSACTIONS:
                await self._rename(topic, "", pseudonym)
            await connection.execute(_ADD_TOPIC, await self.hashed(), topic)
            await connection.execute(_FENCE, topic, partitions)
        return not await connection.fetchval(_UNFENCED, topic, partitions)

    async def _rename_events(self, table: str, pseudonym: Pseudonym) -> None:
        found = await self.connection.fetch(f"SELECT event_id FROM {table} WHERE user_id = $1", self.user_id)
        keys = [row[0] for row in found]
        for start in range(0, len(keys), _BATCH):
            async with self.connection.transaction():
                await self.connection.fetch(_LOCK, table)
                some = keys[start : start + _BATCH]
                await self._rename(table, " AND event_id = ANY($4::TEXT[])", pseudonym, some)
            self.reached(f"some {table}")

    async def _rename(self, table: str, which: str, pseudonym: Pseudonym, *arguments: object) -> None:
        status = await self.connection.execute(
            _RENAME.format(table=table) + which, self.user_id, pseudonym.user_id, pseudonym.session_key, *arguments
        )
        self.done[table] += _rows(status)


async def lock_publisher(connection: asyncpg.Connection, stream: str) -> None:
    """Blocks the outbox publisher until this transaction ends: it locks the same rows in another order (deadlock)."""
    await connection.execute("SELECT 1 FROM outbox_progress WHERE stream = $1 FOR UPDATE", stream)


def _rows(status: str) -> int:
    return int(status.rsplit(" ", 1)[1])
