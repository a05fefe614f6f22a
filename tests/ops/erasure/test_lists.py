"""A user who is just being added to a list is erased from it, too."""

import asyncio

from app.fraud.editions import ListEntry, RuleDesk
from app.ops.erasure.table_eraser import TableEraser
from tests.support.databases import Database
from tests.support.waiting import until

USER = "user-to-forget"
_WAITING = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"


async def test_a_list_that_is_changed_meanwhile_keeps_no_id(database: Database) -> None:
    async with database.owner() as analyst, database.owner() as owner:
        await RuleDesk(analyst, "ann").make_list("watched", "made")
        eraser = TableEraser(owner, USER, lambda _: None)
        pseudonym = await eraser.begin()
        async with analyst.transaction():
            await RuleDesk(analyst, "ann").put_entries("watched", [ListEntry(USER)], "added")
            erasing = asyncio.create_task(eraser.rename(pseudonym))

            async def waits() -> bool:
                return erasing.done() or bool(await analyst.fetchval(_WAITING))

            await until(waits)
        await erasing
        entries = await owner.fetch("SELECT value FROM fraud_list_entries")
        newest = await owner.fetchval("SELECT author FROM fraud_editions ORDER BY edition DESC LIMIT 1")
    assert [value for (value,) in entries] == [pseudonym.user_id]
    assert newest == "globalmart erase-user"
