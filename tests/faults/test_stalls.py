"""A worker that no longer works, and one with a bug, must end, so that a supervisor starts another."""

from tests.faults.world import World


async def test_a_stalled_worker_ends_itself(world: World) -> None:
    world.send(3000)
    worker = world.armed("after_fence", "stall", WORKER_WATCHDOG_SECONDS="3")
    assert worker.wait() != 0
    assert "no commit for" in worker.log(), worker.tail()
    world.worker()
    await world.exact()


async def test_a_bug_ends_the_worker(world: World) -> None:
    world.send(3000)
    worker = world.armed("before_commit", "bug")
    assert worker.wait() != 0
    assert "a bug on purpose" in worker.log(), worker.tail()
    world.worker()
    await world.exact()
