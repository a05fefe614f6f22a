"""Both kinds of a full disk say what PostgreSQL says, and are as before once there is space again."""

import asyncpg
import pytest

from tests.chaos.small_disk import KnobDisk, SmallDisk, install_knobs, make_small_disk
from tests.faults.world import World

_INSERT = """
INSERT INTO transactions (transaction_id, user_id, timestamp, total_amount, quantity, source_partition, source_offset)
SELECT '{0}' || n, 'u', CURRENT_TIMESTAMP, 1, 1, 0, n FROM generate_series(1, 20000) AS n"""


async def _fills_and_frees(world: World, disk: SmallDisk) -> None:
    await world.execute(_INSERT.format("before"))
    await disk.fill()
    with pytest.raises(asyncpg.DiskFullError):
        await world.execute(_INSERT.format("full"))
    await disk.free()
    await world.execute(_INSERT.format("after"))
    await disk.remove()
    assert (await world.sql("SELECT count(*) FROM transactions"))[0][0] == 40_000


async def test_the_knob_says_the_disk_is_full(world: World) -> None:
    await install_knobs(world)
    await _fills_and_frees(world, KnobDisk(world))


async def test_the_best_disk_this_user_can_have_fills_up(world: World) -> None:
    await install_knobs(world)
    await _fills_and_frees(world, await make_small_disk(world))
