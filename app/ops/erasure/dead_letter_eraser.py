"""Erases a user from dead letters: deletes their bytes, keeps the reason of the rejection.

A valid JSON record is the user's if its key or any text in it is the id; an invalid one if the id's bytes occur
anywhere in it: blanking one dead letter too many is better than one too few.
"""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final

import asyncpg

from app.events.pseudonymize import ERASED_DETAIL, is_json, mentioned
from app.ops.dead_letters.claims import settle
from app.ops.erasure.table_eraser import lock_publisher
from app.topics import DEAD_LETTERS

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
