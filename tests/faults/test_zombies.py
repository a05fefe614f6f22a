"""Workers that are stopped, lose their partitions, and come back believing they still own them."""

import signal

from tests.faults import topics
from tests.faults.world import World


async def test_a_stopped_worker_comes_back(world: World) -> None:
    async with world.load():
        zombie, other = world.worker(), world.worker()
        await world.consuming(zombie)
        await world.consuming(other)
        zombie.signal(signal.SIGSTOP)
        await world.until(lambda: topics.members(world.bootstrap, world.group) == [24], other)
        zombie.signal(signal.SIGCONT)
        await world.progress(2000)
    await world.exact()
    assert zombie.exit_code is None, zombie.tail()
    assert zombie.stop() == 0, zombie.tail()
    await world.bursts(5)
    await world.exact()


async def test_a_lone_worker_sleeps_longer_than_its_session(world: World) -> None:
    async with world.load():
        worker = world.worker()
        await world.consuming(worker)
        worker.signal(signal.SIGSTOP)
        await world.until(lambda: topics.members(world.bootstrap, world.group) == [])
        worker.signal(signal.SIGCONT)
        await world.progress(2000)
    await world.exact()
    assert worker.exit_code is None, worker.tail()
