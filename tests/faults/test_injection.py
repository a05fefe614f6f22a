"""Every point inside the transaction, met by every kind of harm."""

import asyncio
import signal
from typing import Final

import pytest

from app.sink.fault_points import FaultPoint
from tests.faults.world import World

_POINTS: Final = list(FaultPoint)
_SESSION: Final = {"KAFKA_SESSION_TIMEOUT_SECONDS": "6"}


@pytest.mark.parametrize("point", _POINTS)
async def test_killed(world: World, point: FaultPoint) -> None:
    world.send(3000)
    worker = world.armed(point, "kill")
    assert await asyncio.to_thread(worker.wait, 30) == -signal.SIGKILL
    world.worker()
    await world.exact()


@pytest.mark.parametrize("point", _POINTS)
async def test_stopped_while_another_takes_over(world: World, point: FaultPoint) -> None:
    world.send(3000)
    zombie = world.armed(point, "stop")
    await world.until(zombie.is_stopped, 30)
    world.worker()
    await world.consumed()
    zombie.signal(signal.SIGCONT)
    await world.bursts(5)
    await world.exact()
    assert zombie.exit_code is None, zombie.tail()


@pytest.mark.parametrize("action", ["disconnect", "exception"])
@pytest.mark.parametrize("point", _POINTS)
async def test_cut_off(world: World, point: FaultPoint, action: str) -> None:
    world.send(3000)
    worker = world.armed(point, action)
    report = await world.exact()
    assert worker.exit_code is None, worker.tail()
    assert worker.metric("globalmart_sink_failures_total") == 1
    assert report.anomalies["rapid_transactions"].found > 0
