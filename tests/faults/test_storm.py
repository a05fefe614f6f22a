"""Workers joining and leaving every few seconds."""

import asyncio

from tests.faults.world import World


async def test_workers_come_and_go_during_a_load(world: World) -> None:
    load = asyncio.create_task(world.bursts(110))
    stayer = world.worker()
    await world.consuming(stayer)
    for turn in range(4):
        guest = world.worker()
        await asyncio.sleep(4)
        if turn % 2:
            guest.kill()
        else:
            assert await asyncio.to_thread(guest.stop) == 0, guest.tail()
    await load
    await world.exact()
    assert stayer.exit_code is None, stayer.tail()
