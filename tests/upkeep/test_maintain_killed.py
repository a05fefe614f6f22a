"""A maintenance killed between two of its deletions leaves an account that adds up, and the next one ends its work."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from app.topics import SYSTEM_METRICS
from tests.faults import databases
from tests.faults.load import Sent
from tests.faults.world import World
from tests.letters.refused import deliver, globalmart, order
from tests.upkeep.test_maintain import OLD

ROOT: Final = Path(__file__).parents[2]
#: Some pages' worth: each is deleted in a transaction of its own.
_MEASUREMENTS: Final = 400
_LAST: Final = "SELECT metric FROM system_metrics ORDER BY ctid DESC LIMIT 1 FOR UPDATE"
_WAITS: Final = """
SELECT count(*) FROM pg_stat_activity
WHERE application_name = 'globalmart-upkeep' AND datname = current_database() AND wait_event_type = 'Lock'"""
_SESSIONS: Final = """
SELECT count(*) FROM pg_stat_activity
WHERE application_name = 'globalmart-upkeep' AND datname = current_database()"""
_ACCOUNT: Final = """
SELECT (SELECT count(*) FROM system_metrics) AS kept,
    (SELECT coalesce(sum(deleted), 0)::BIGINT FROM retention_progress WHERE topic = 'system_metrics') AS deleted"""


def measurements() -> list[Sent]:
    """As many values of one old moment, each of its own name."""
    common = {"host": "h", "component": "c", "value": 1, "timestamp": OLD[0].isoformat()}
    return [
        Sent(SYSTEM_METRICS, b"h", json.dumps({**common, "metric": f"m{number}"}).encode())
        for number in range(_MEASUREMENTS)
    ]


@asynccontextmanager
async def last_row_locked(world: World) -> AsyncIterator[None]:
    """Hold up whoever deletes the last page."""
    connection = await databases.connect(world.stack, world.database)
    try:
        async with connection.transaction():
            await connection.fetch(_LAST)
            yield
    finally:
        await connection.close()


async def account(world: World) -> tuple[int, int]:
    """Rows that are there and rows noted as deleted."""
    (row,) = await world.sql(_ACCOUNT)
    return row["kept"], row["deleted"]


async def test_killed_half_way_it_leaves_an_account_that_adds_up(world: World) -> None:
    world.worker()
    await deliver(world, [order("one", "ada"), *measurements()])
    variables = world.environment(RETENTION_DELETE_PAGES="1")
    async with last_row_locked(world):
        maintain = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "app.cli", "maintain", cwd=ROOT, env={**os.environ, **variables},
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        try:
            await world.until(lambda: _some(world, _WAITS), 60)
        finally:
            maintain.kill()
            await maintain.wait()
        kept, deleted = await account(world)
        assert kept > 0
        assert deleted > 0
        assert kept + deleted == _MEASUREMENTS
        assert (await world.exact()).complete

    async def gone() -> bool:
        return not await _some(world, _SESSIONS)

    await world.until(gone, 60)
    told = await asyncio.to_thread(globalmart, world, "maintain", RETENTION_DELETE_PAGES="1")
    assert told.exit_code == 0, told.output
    assert await account(world) == (0, _MEASUREMENTS)
    await world.exact()


async def _some(world: World, query: str) -> bool:
    return bool((await world.sql(query))[0][0])
