"""A maintenance that is held up: killed between two deletions, or overtaken by a late row, its account adds up."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from app.topics import SYSTEM_METRICS
from tests.faults import databases
from tests.faults.load import Sent
from tests.faults.world import World
from tests.ops.dead_letters.refused import deliver, globalmart, order
from tests.ops.retention.test_maintain import AT_ONCE, OLD

ROOT: Final = Path(__file__).parents[2]
#: Some pages' worth: each is deleted in a transaction of its own.
_MEASUREMENTS: Final = 400
_LOCK: Final = "SELECT metric FROM system_metrics ORDER BY ctid {order} LIMIT 1 FOR UPDATE"
_WAITS: Final = """
SELECT count(*) FROM pg_stat_activity
WHERE application_name = 'globalmart-upkeep' AND datname = current_database() AND wait_event_type = 'Lock'"""
_SESSIONS: Final = """
SELECT count(*) FROM pg_stat_activity
WHERE application_name = 'globalmart-upkeep' AND datname = current_database()"""
_ACCOUNT: Final = """
SELECT (SELECT count(*) FROM system_metrics) AS kept,
    (SELECT coalesce(sum(deleted), 0)::BIGINT FROM retention_progress WHERE topic = 'system_metrics') AS deleted"""


def measurements(numbers: Iterable[int] = range(_MEASUREMENTS)) -> list[Sent]:
    """As many values of one old moment, each of its own name."""
    common = {"host": "h", "component": "c", "value": 1, "timestamp": OLD[0].isoformat()}
    return [Sent(SYSTEM_METRICS, b"h", json.dumps({**common, "metric": f"m{number}"}).encode()) for number in numbers]


@asynccontextmanager
async def row_locked(world: World, order: str) -> AsyncIterator[None]:
    """Hold up whoever deletes the page of the first (ASC) or the last (DESC) row."""
    connection = await databases.connect(world.stack, world.database)
    try:
        async with connection.transaction():
            await connection.fetch(_LOCK.format(order=order))
            yield
    finally:
        await connection.close()


async def account(world: World) -> tuple[int, int]:
    """Rows that are there and rows noted as deleted."""
    (row,) = await world.sql(_ACCOUNT)
    return row["kept"], row["deleted"]


@asynccontextmanager
async def held_up(world: World, order: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A maintenance that waits for a locked row until the block ends; killed where that fails."""
    variables = world.environment(RETENTION_DELETE_PAGES="1", **AT_ONCE)
    maintain = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "app.cli",
        "maintain",
        cwd=ROOT,
        env={**os.environ, **variables},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with row_locked(world, order):
            await world.until(lambda: _some(world, _WAITS))
            yield maintain
    except BaseException:
        maintain.kill()
        raise


async def test_killed_half_way_it_leaves_an_account_that_adds_up(world: World) -> None:
    world.worker()
    await deliver(world, [order("one", "ada"), *measurements()])
    async with held_up(world, "DESC") as maintain:
        maintain.kill()
        await maintain.wait()
        kept, deleted = await account(world)
        assert kept > 0
        assert deleted > 0
        assert kept + deleted == _MEASUREMENTS
        assert (await world.exact()).complete

    async def gone() -> bool:
        return not await _some(world, _SESSIONS)

    await world.until(gone)
    await _maintain(world)
    assert await account(world) == (0, _MEASUREMENTS)
    await world.exact()


async def test_a_row_that_comes_while_its_day_is_deleted_stays_for_the_next_run(world: World) -> None:
    world.worker()
    await deliver(world, [order("one", "ada"), *measurements()])
    async with held_up(world, "ASC") as maintain:
        await deliver(world, measurements([_MEASUREMENTS]))
    assert await maintain.wait() == 0
    assert await account(world) == (1, _MEASUREMENTS)
    await _maintain(world)
    assert await account(world) == (0, _MEASUREMENTS + 1)
    await world.exact()


async def _maintain(world: World) -> None:
    changes = AT_ONCE | {"RETENTION_DELETE_PAGES": "1"}
    result = await asyncio.to_thread(globalmart, world, "maintain", **changes)
    assert result.exit_code == 0, result.output


async def _some(world: World, query: str) -> bool:
    return bool((await world.sql(query))[0][0])
