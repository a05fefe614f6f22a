"""Every point inside the transaction, met by every kind of harm."""

import asyncio
import signal
from typing import Final

import pytest

from app.sink.fault_points import FaultPoint
from tests.faults.processes import WorkerProcess
from tests.faults.world import ARMED, World

_POINTS: Final = list(FaultPoint)
_ALL_POINTS: Final = ",".join(_POINTS)


async def test_killed_at_every_point(world: World) -> None:
    """Each worker joins a group of its own, so that none waits for the dead: the ledger is the judge."""
    async with world.load(of=500, pause_seconds=0.5):
        for point in _POINTS:
            worker = world.armed(point, "kill", KAFKA_GROUP=f"{world.group}-{point}")
            assert await asyncio.to_thread(worker.wait) == -signal.SIGKILL
        world.worker()
    await world.exact()


@pytest.mark.parametrize("point", _POINTS)
async def test_stopped_while_another_takes_over(world: World, point: FaultPoint) -> None:
    world.send(2000)
    zombie = world.armed(point, "stop")
    await world.until(zombie.is_stopped, zombie)
    world.worker()
    await world.consumed()
    zombie.signal(signal.SIGCONT)
    await world.bursts(5)
    await world.exact()
    assert zombie.exit_code is None, zombie.tail()


@pytest.mark.parametrize("topic", ["transactions", "system_metrics"])
@pytest.mark.parametrize("action", ["disconnect", "exception"])
async def test_cut_off_at_every_point(world: World, action: str, topic: str) -> None:
    faults = {"FAULT_POINT": _ALL_POINTS, "FAULT_ACTION": action, "FAULT_AFTER": "3"}
    worker = world.worker(ARMED, faults=faults | {"FAULT_TOPIC": topic})
    # How many records a chunk holds is a matter of speed, so the load goes on until all points have been met.
    wanted = len(_POINTS) - (action == "disconnect")
    async with world.load():
        await world.consuming(worker)
        await world.until(lambda: _failures(worker, topic) >= wanted, worker)
    await world.exact()
    assert worker.exit_code is None, worker.tail()


def _failures(worker: WorkerProcess, topic: str) -> float:
    return worker.metric("globalmart_sink_failures_total", topic=topic)
