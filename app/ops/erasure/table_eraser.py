"""Erasing a user from PostgreSQL: first no worker writes the id any more, then what is there is renamed.

A topic's lines of the ledger are locked while its workers are told, so no chunk slips in between: orders are renamed
in that very transaction, because the next order is judged by those before it. Views and carts have no index by user;
they are looked for without a lock and renamed by their keys, some at a time, under the topic's lines again. A
repetition that comes meanwhile is compared with either name.
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
_TELL: Final = """
UPDATE erased_users SET topics = topics || $2::TEXT WHERE user_hash = $1 AND NOT $2 = ANY(topics)"""
_FENCE: Final = """
UPDATE stream_progress SET erasures = erasures + 1 WHERE topic = $1 AND partition = ANY($2::INTEGER[])"""
_UNTOLD: Final = """
SELECT count(*) FROM stream_progress WHERE topic = $1 AND NOT partition = ANY($2::INTEGER[])"""
#: `Pseudonym.session` in SQL; a session that is null stays null.
_RENAME: Final = f"""
UPDATE {{table}} SET user_id = $2, session_id =
    '{PREFIX}' || substr(encode(sha256($3::BYTEA || convert_to(session_id, 'UTF8')), 'hex'), 1, 32)
WHERE user_id = $1"""


@dataclass(slots=True)
class TableEraser:
    """Erases one user through a session that holds the lock of all upkeep; `reached` is told each step."""

    connection: asyncpg.Connection
    user_id: str
    reached: Reached
    done: Counter[str] = field(default_factory=Counter)

    async def begin(self) -> Pseudonym:
        """Note the user, once for ever; raises GlobalMartError for a pseudonym."""
        if await self.connection.fetchval("SELECT 1 FROM erased_users WHERE pseudonym = $1", self.user_id):
            raise GlobalMartError("this is a pseudonym: its user is erased already")
        (row,) = await self.connection.fetch(
            _BEGIN, await self.hashed(), PREFIX + secrets.token_hex(16), secrets.token_bytes(32)
        )
        self.reached("begun")
        return Pseudonym(row["pseudonym"], row["session_key"])

    async def rename(self, pseudonym: Pseudonym) -> None:
        """Stop new rows of the id, topic by topic, and rename those that are there."""
        for topic in SOURCE_TOPICS:
            while not await self._tell_workers(topic, pseudonym):
                pass
            self.reached(topic)
        for table in (PRODUCT_VIEWS, CART_EVENTS):
            await self._rename_events(table, pseudonym)
        async with self.connection.transaction():
            await keep_publisher_out(self.connection, ANOMALIES)
            status = await self.connection.execute(
                "UPDATE transaction_anomalies SET user_id = $2 WHERE user_id = $1", self.user_id, pseudonym.user_id
            )
        self.done["transaction_anomalies"] += _rows(status)

    async def mark(self, column: str) -> None:
        """Note that this far nothing is left to do."""
        await self.connection.execute(
            f"UPDATE erased_users SET {column} = CURRENT_TIMESTAMP WHERE user_hash = $1", await self.hashed()
        )
        self.reached(column)

    async def count(self) -> Counter[str]:
        """Rows that hold the id."""
        for table in (TRANSACTIONS, PRODUCT_VIEWS, CART_EVENTS, "transaction_anomalies"):
            self.done[table] = await self.connection.fetchval(
                f"SELECT count(*) FROM {table} WHERE user_id = $1", self.user_id
            )
        return self.done

    async def hashed(self) -> bytes:
        """What the user is recognised by."""
        key: bytes = await self.connection.fetchval("SELECT key FROM erasure_key")
        return user_hash(key, self.user_id)

    async def _tell_workers(self, topic: str, pseudonym: Pseudonym) -> bool:
        """Fence every worker that does not know of it; False where a partition was opened meanwhile."""
        connection = self.connection
        async with connection.transaction():
            partitions = [row[0] for row in await connection.fetch(_LOCK, topic)]
            if topic == TRANSACTIONS:
                await self._rename(topic, "", pseudonym)
            await connection.execute(_TELL, await self.hashed(), topic)
            await connection.execute(_FENCE, topic, partitions)
        return not await connection.fetchval(_UNTOLD, topic, partitions)

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


async def keep_publisher_out(connection: asyncpg.Connection, stream: str) -> None:
    """Until this transaction ends: the publisher numbers the same rows in another order, and two orders deadlock."""
    await connection.execute("SELECT 1 FROM outbox_progress WHERE stream = $1 FOR UPDATE", stream)


def _rows(status: str) -> int:
    return int(status.rsplit(" ", 1)[1])
