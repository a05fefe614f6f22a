"""The recount is no formality: with one safeguard taken out it finds the damage under the fault it guards against."""

import signal
from typing import Final

from app.reconcile.stream.report import ReconcileReport
from tests.faults.world import World

BROKEN: Final = "tests.faults.broken_workers"


async def _report(world: World) -> ReconcileReport:
    await world.consumed()
    return await world.recount()


async def test_without_the_fence_a_zombie_does_damage(world: World) -> None:
    world.send(4000)
    faults = {"BROKEN": "fence", "FAULT_POINT": "before_begin", "FAULT_ACTION": "stop"}
    zombie = world.worker(BROKEN, faults=faults | {"FAULT_AFTER": "4"})
    await world.until(zombie.is_stopped, zombie)
    world.worker()
    await world.consumed()
    zombie.signal(signal.SIGCONT)

    async def damaged() -> bool:
        return (await world.recount()).total_mismatches > 0

    await world.until(damaged)


async def test_chunks_beyond_the_ledger_lose_records(world: World) -> None:
    world.send(3000)
    worker = world.worker(BROKEN, faults={"BROKEN": "start"})
    await world.until(lambda: "metrics on" in worker.log(), worker)
    await world.bursts(30)
    report = await _report(world)
    assert report.kinds.get("missing_row", 0) > 0, report.kinds


async def test_state_kept_after_a_failed_transaction_judges_wrongly(world: World) -> None:
    world.send(4000)
    faults = {"BROKEN": "state", "FAULT_POINT": "before_commit", "FAULT_ACTION": "exception"}
    world.worker(BROKEN, faults=faults | {"FAULT_AFTER": "4"})
    report = await _report(world)
    assert report.anomalies["rapid_transactions"].mismatches > 0, report.kinds
