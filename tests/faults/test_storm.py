"""Workers joining and leaving every few seconds."""

import asyncio
from functools import partial

from tests.faults.processes import WorkerProcess
from tests.faults.world import World


def _has_joined(worker: WorkerProcess) -> bool:
    return "Joined group" in worker.log()


async def test_workers_come_and_go_during_a_load(world: World) -> None:
    async with world.load():
        stayer = world.worker()
        await world.consuming(stayer)
        for turn in range(4):
            guest = world.worker()
            await world.until(partial(_has_joined, guest), guest)
            await asyncio.sleep(turn)
            if turn % 2:
                guest.kill()
            else:
                assert await asyncio.to_thread(guest.stop) == 0, guest.tail()
    await world.exact()
    assert stayer.exit_code is None, stayer.tail()
