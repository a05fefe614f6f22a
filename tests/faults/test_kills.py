"""kill -9 of workers in the middle of a load."""

from collections.abc import Callable

from tests.faults.world import World

Record = Callable[[str, object], None]


async def test_a_lone_worker_is_killed_twice(world: World, record_property: Record) -> None:
    async with world.load():
        for _ in range(2):
            worker = world.worker()
            await world.consuming(worker)
            await world.progress(1000)
            worker.kill()
        last = world.worker()
        seconds = await world.consuming(last)
        record_property("seconds_to_processing_again", round(seconds, 1))
    await world.exact()
    assert last.exit_code is None, last.tail()


async def test_two_workers_are_killed_in_turn(world: World) -> None:
    async with world.load():
        first, second = world.worker(), world.worker()
        await world.consuming(first)
        await world.consuming(second)
        await world.progress(1000)
        first.kill()
        third = world.worker()
        await world.consuming(third)
        second.kill()
        await world.progress(1000)
    await world.exact()


async def test_both_workers_are_killed_at_once(world: World, record_property: Record) -> None:
    async with world.load():
        pair = [world.worker(), world.worker()]
        for worker in pair:
            await world.consuming(worker)
        for worker in pair:
            worker.kill()
        seconds = await world.consuming(world.worker())
        record_property("seconds_to_processing_again", round(seconds, 1))
    await world.exact()
