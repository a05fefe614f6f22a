"""Erases a user in PostgreSQL: the tables and the dead letters.

Of dead letters the bytes are deleted and the reason of the rejection stays. A valid JSON record is the user's if its
key or any text in it is the id; an invalid one if the id's bytes occur anywhere in it: blanking one dead letter too
many is better than one too few.
"""

import json
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, Final

import asyncpg

from app.domain.pseudonyms import PREFIX, Personal, Pseudonym, user_hash
from app.errors import GlobalMartError
from app.events.pseudonymize import ERASED_DETAIL, is_json, mentioned
from app.fraud.editions import lock_editions, rewrite_lists
from app.ops.dead_letters.repository import settle
from app.topics import ANOMALIES, DEAD_LETTERS, SOURCE_TOPICS, SOURCES, TRANSACTIONS, USER_TOPICS

Reached = Callable[[str], None]
#: What orders raised: it names their users.
_JUDGED: Final = ("transaction_anomalies", "verdicts", "shadow_anomalies")
_ENTRIES: Final = "fraud_list_entries"
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
_KEYED: Final = f"'{PREFIX}' || substr(encode(sha256($3::BYTEA || convert_to({{name}}, 'UTF8')), 'hex'), 1, 32)"
#: `Pseudonym.of` in SQL; null stays null.
_PSEUDONYMS: Final = {Personal.USER: "$2", Personal.SESSION: _KEYED, Personal.FINGERPRINT: _KEYED}
_PREFETCH_ROWS: Final = 20  # dead letters have up to 10 MiB each
_LETTERS: Final = "SELECT id, key, value FROM dead_letters WHERE NOT erased"
_REPLAYS: Final = """
SELECT dead_letter_id AS id, key, value FROM dead_letter_replays
WHERE key IS NOT NULL OR value IS NOT NULL"""
_BLANK: Final = """
UPDATE dead_letters SET key = NULL, value = NULL, detail = $2, erased = true WHERE id = ANY($1::BIGINT[])"""
#: A claim that was never completed must not be sent again; if it was sent, the record is a late event like any other.
_DELETE_CLAIMS: Final = """
DELETE FROM dead_letter_replays WHERE dead_letter_id = ANY($1::BIGINT[]) AND sent_offset IS NULL"""
_BLANK_REPLAYS: Final = """
UPDATE dead_letter_replays SET key = NULL, value = NULL WHERE dead_letter_id = ANY($1::BIGINT[])"""


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
        """Prevents new rows with the id, topic by topic, and renames the stored ones.

        Orders, what they raised and lists change at one instant: the next order is judged by all of them.
        """
        for topic in SOURCE_TOPICS:
            while not await self._fence_workers(topic, pseudonym):
                pass
            self.reached(topic)
        for table in USER_TOPICS:
            if table != TRANSACTIONS:
                await self._rename_events(table, pseudonym)

    async def mark(self, column: str) -> None:
        """Stores the time at which this step was completed."""
        await self.connection.execute(
            f"UPDATE erased_users SET {column} = CURRENT_TIMESTAMP WHERE user_hash = $1", await self.hashed()
        )
        self.reached(column)

    async def count(self) -> Counter[str]:
        """Counts the rows with the id."""
        columns = dict.fromkeys((*USER_TOPICS, *_JUDGED), "user_id") | {_ENTRIES: "value"}
        for table, column in columns.items():
            self.done[table] = await self.connection.fetchval(
                f"SELECT count(*) FROM {table} WHERE {column} = $1", self.user_id
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
            if topic == TRANSACTIONS:
                # Before the ledger: a publisher may wait for Kafka, and no worker has to wait for it. Nor for the
                # desk, which may just be adding the user to a list.
                await lock_publisher(connection, ANOMALIES)
                await lock_editions(connection)
            partitions = [row[0] for row in await connection.fetch(_LOCK, topic)]
            if topic == TRANSACTIONS:
                await self._rename(topic, "", pseudonym)
                await self._rename_judged(pseudonym)
            await connection.execute(_ADD_TOPIC, await self.hashed(), topic)
            await connection.execute(_FENCE, topic, partitions)
        return not await connection.fetchval(_UNFENCED, topic, partitions)

    async def _rename_judged(self, pseudonym: Pseudonym) -> None:
        """Renames what orders raised, and the user on lists; workers then read the lists again."""
        for table in _JUDGED:
            status = await self.connection.execute(
                f"UPDATE {table} SET user_id = $2 WHERE user_id = $1", self.user_id, pseudonym.user_id
            )
            self.done[table] += _rows(status)
        status = await self.connection.execute(
            f"UPDATE {_ENTRIES} SET value = $2 WHERE value = $1", self.user_id, pseudonym.user_id
        )
        self.done[_ENTRIES] += _rows(status)
        if _rows(status):
            await rewrite_lists(self.connection, "globalmart erase-user", "a user on lists was erased")

    async def _rename_events(self, table: str, pseudonym: Pseudonym) -> None:
        key = SOURCES[table].identity[0]
        found = await self.connection.fetch(f"SELECT {key} FROM {table} WHERE user_id = $1", self.user_id)
        keys = [row[0] for row in found]
        for start in range(0, len(keys), _BATCH):
            async with self.connection.transaction():
                await self.connection.fetch(_LOCK, table)
                some = keys[start : start + _BATCH]
                await self._rename(table, f" AND {key} = ANY($4::TEXT[])", pseudonym, some)
            self.reached(f"some {table}")

    async def _rename(self, table: str, which: str, pseudonym: Pseudonym, *arguments: object) -> None:
        status = await self.connection.execute(
            _rename_sql(table) + which, self.user_id, pseudonym.user_id, pseudonym.session_key, *arguments
        )
        self.done[table] += _rows(status)


async def lock_publisher(connection: asyncpg.Connection, stream: str) -> None:
    """Blocks the outbox publisher until this transaction ends: it locks the same rows in another order (deadlock)."""
    await connection.execute("SELECT 1 FROM outbox_progress WHERE stream = $1 FOR UPDATE", stream)


def _rename_sql(table: str) -> str:
    personal = SOURCES[table].personal.items()
    changes = ", ".join(f"{name} = {_PSEUDONYMS[kind].format(name=name)}" for name, kind in personal)
    return f"UPDATE {table} SET {changes} WHERE user_id = $1"


def _rows(status: str) -> int:
    return int(status.rsplit(" ", 1)[1])


@dataclass(frozen=True, slots=True)
class DeadLetterEraser:
    """Blanks dead letters and replays of one user; the caller holds the lock of all replays."""

    connection: asyncpg.Connection
    user_id: str

    async def count(self) -> dict[str, int]:
        """Counts dead letters and replays that contain the id."""
        return {
            "dead_letters": len(await self._found(_LETTERS)),
            "dead_letter_replays": len(await self._found(_REPLAYS)),
        }

    async def blank(self) -> dict[str, int]:
        """Deletes their bytes; returns how many there were."""
        letters, replays = await self._found(_LETTERS), await self._found(_REPLAYS)
        if replays:
            await settle(self.connection)
        async with self.connection.transaction():
            await lock_publisher(self.connection, DEAD_LETTERS)
            await self.connection.execute(_BLANK, letters, ERASED_DETAIL)
            await self.connection.execute(_DELETE_CLAIMS, replays)
            await self.connection.execute(_BLANK_REPLAYS, replays)
        return {"dead_letters": len(letters), "dead_letter_replays": len(replays)}

    async def _found(self, query: str) -> list[int]:
        return [row["id"] async for row in self._rows(query) if self._contains_id(row)]

    async def _rows(self, query: str) -> AsyncIterator[Any]:
        async with self.connection.transaction(readonly=True):
            async for row in self.connection.cursor(query, prefetch=_PREFETCH_ROWS):
                yield row

    def _contains_id(self, row: Any) -> bool:
        key, value = row["key"], row["value"]
        if self.user_id in mentioned(key, value):
            return True
        forms = self.user_id.encode(), json.dumps(self.user_id)[1:-1].encode()
        return bool(value) and not is_json(value) and any(form in value for form in forms)
