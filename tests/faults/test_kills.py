"""kill -9 of workers in the middle of a load."""

import asyncio
from collections.abc import Callable

from tests.faults.world import World


async def test_a_lone_worker_is_killed_twice(
    world: World, record_property: Callable[[str, object], None]
) -> None:
    load = asyncio.create_task(world.bursts(60))
    for _ in range(2):
        worker = world.worker()
        await world.consuming(worker)
        await world.progress(2000)
        worker.kill()
    last = world.worker()
    seconds = await world.consuming(last)
    record_property("seconds_to_processing_again", round(seconds, 1))
    await load
    await world.exact()
    assert last.exit_code is None


async def test_two_workers_are_killed_in_turn(world: World) -> None:
    load = asyncio.create_task(world.bursts(80))
    first, second = world.worker(), world.worker()
    await world.consuming(first)
    await world.consuming(second)
    await world.progress(2000)
    first.kill()
    third = world.worker()
    await world.consuming(third)
    await world.progress(2000)
    second.kill()
    await world.progress(1000)
    await load
    await world.exact()


async def test_both_workers_are_killed_at_once(
    world: World, record_property: Callable[[str, object], None]
) -> None:
    load = asyncio.create_task(world.bursts(40))
    pair = [world.worker(), world.worker()]
    for worker in pair:
        await world.consuming(worker)
    await world.progress(1000)
    for worker in pair:
        worker.kill()
    seconds = await world.consuming(world.worker())
    record_property("seconds_to_processing_again", round(seconds, 1))
    await load
    await world.exact()
