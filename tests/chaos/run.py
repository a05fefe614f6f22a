"""A run of chaos: load, supervised workers, faults on schedule, and the recount at the end."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from app.fraud.backtest.differences import differences
from app.postgres.connections import connect_reader
from app.settings import Settings
from tests.chaos.gauge import Gauge
from tests.chaos.inflicting import Inflictor
from tests.chaos.programs import Api
from tests.chaos.report import counted, judged_table, recovery_table, rounded, topic_table, verdict
from tests.chaos.schedule import Plan
from tests.chaos.small_disk import SmallDisk, install_knobs, make_small_disk
from tests.chaos.store_faults import StoreFaults
from tests.chaos.supervisor import Supervisor
from tests.chaos.worker_faults import WorkerFaults
from tests.faults import topics
from tests.faults.world import World

_WORKERS: Final = 3
_WATCHDOG_SECONDS: Final = "20"
_STOP_SECONDS: Final = "10"
_LOOK_SECONDS: Final = 0.2
_EDIT_SECONDS: Final = 0.5

Say = Callable[[str], None]


class Chaos:
    """One world, one schedule; `folder` takes logs and dumps of workers that are stuck.

    A fault counts as not recovered from when a partition has not committed `recovery_seconds` after it.
    """

    def __init__(
        self, world: World, folder: Path, say: Say, *, recovery_seconds: float, with_api: bool = False
    ) -> None:
        self._world = world
        self._folder = folder
        self._say = say
        self._recovery_seconds = recovery_seconds
        self._with_api = with_api
        self._gauge = Gauge(world)

    async def run(self, plan: Plan) -> dict[str, Any]:
        """Everything from the first record to the verdict."""
        world, started = self._world, time.monotonic()
        await install_knobs(world)
        disk = await make_small_disk(world)
        api = Api(world.environment(), self._folder / "api.log") if self._with_api else None
        try:
            found = await self._under_fire(plan, disk, api)
        finally:
            if api is not None:
                api.close()
            world.close()
            await disk.remove()
        wall_seconds = round(time.monotonic() - started, 1)
        return found | {"wall_seconds": wall_seconds, "load_average": os.getloadavg()}

    async def _under_fire(self, plan: Plan, disk: SmallDisk, api: Api | None) -> dict[str, Any]:
        """Workers, load and faults until all is consumed; what the recount and the gauge say."""
        world, gauge = self._world, self._gauge
        supervisor = Supervisor(
            world, _WORKERS, self._folder, WORKER_WATCHDOG_SECONDS=_WATCHDOG_SECONDS, WORKER_STOP_SECONDS=_STOP_SECONDS
        )
        harms = WorkerFaults(supervisor, gauge)
        inflictor = Inflictor(world, harms, StoreFaults(world, gauge, disk), api)
        async with _concurrently(supervisor.run(), gauge.run()):
            async with world.load(), world.changing_rules(len(plan.storm), _EDIT_SECONDS) as editor:
                for worker in supervisor.workers:
                    await world.consuming(worker)
                unrecovered = await self._play_alone(inflictor, plan, supervisor)
                calm = len(gauge.recoveries), len(harms.stop_seconds)
                await self._play_storm(inflictor, plan)
                unrecovered += await self._settle(supervisor)
            await world.consumed()
            found = await self._judge(api)
        return {
            **found,
            "changes_of_rules": editor.changes,
            "unrecovered": unrecovered,
            **counted(inflictor),
            "recovery_seconds": {
                "alone": recovery_table(gauge.recoveries[: calm[0]]),
                "storm": recovery_table(gauge.recoveries[calm[0] :]),
            },
            "graceful_stop_seconds": {
                "alone": rounded(harms.stop_seconds[: calm[1]]),
                "storm": rounded(harms.stop_seconds[calm[1] :]),
            },
            "longest_without_progress_seconds": round(gauge.longest_silence_seconds, 2),
            "worker_exits": dict(supervisor.exits),
            "api_answer_seconds": rounded(api.answer_seconds if api else []),
            "disk_full_by": disk.how,
        }

    async def _play_alone(self, inflictor: Inflictor, plan: Plan, supervisor: Supervisor) -> list[str]:
        """One fault after the other, each met by a system that has recovered; what has not."""
        began, unrecovered = time.monotonic(), list[str]()
        for fault in plan.alone:
            if unrecovered or time.monotonic() - began > plan.alone_seconds:
                break
            self._say(f"alone     {fault.kind}")
            await inflictor.inflict(fault)
            unrecovered = await self._settle(supervisor)
        return unrecovered

    async def _play_storm(self, inflictor: Inflictor, plan: Plan) -> None:
        """Begin each fault at its time; faults overlap where they last."""
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for fault in plan.storm:
                await asyncio.sleep(max(0.0, began + fault.at_seconds - time.monotonic()))
                self._say(f"{fault.at_seconds:6.1f} s  {fault.kind}")
                group.create_task(inflictor.inflict(fault))

    async def _settle(self, supervisor: Supervisor) -> list[str]:
        """Wait, under load, until everything has moved after every fault; what has not."""
        deadline = time.monotonic() + self._recovery_seconds
        while self._gauge.pending and time.monotonic() < deadline:
            await asyncio.sleep(_LOOK_SECONDS)
        if self._gauge.pending:
            await asyncio.to_thread(self._dump, [worker.pid for worker in supervisor.workers])
        return self._gauge.pending

    async def _judge(self, api: Api | None) -> dict[str, Any]:
        world = self._world
        report = await world.recount()
        ends = await asyncio.to_thread(topics.end_offsets, world.bootstrap)
        found: dict[str, Any] = {
            "agrees": report.agrees and not report.lost_ranges,
            **verdict(report),
            "sent": world.sender.sent,
            "in_kafka": sum(ends.values()),
            "topics": topic_table(report),
            "anomalies": {name: figures.found for name, figures in report.anomalies.items()},
            "judged": judged_table(report),
            "judged_again": await self._judged_again(),
            "mismatches": [mismatch.message for mismatch in report.mismatches[:20]],
        }
        if api is not None:
            answer = await api.answers("/api/v1/sales/metrics")
            found["api_agrees"] = answer["total_transactions"] == _stored(found)
        return found

    async def _judged_again(self) -> dict[str, Any]:
        """What the shadows raised, compared with a test on history over all orders."""
        settings = Settings(self._world.environment()).postgres
        reader = await connect_reader(settings.model_copy(update={"command_timeout_seconds": 600.0}), "chaos")
        try:
            again = await differences(reader)
        finally:
            await reader.close()
        return {
            "orders": again.orders,
            "rows_compared": again.compared,
            "differences": len(again.differences),
            "first_differences": again.differences[:10],
        }

    def _dump(self, pids: Sequence[int]) -> None:
        """Where every worker stands, for whoever looks for the reason."""
        spy = Path(sys.executable).with_name("py-spy")
        for pid in pids:
            with (self._folder / f"stuck-{pid}.txt").open("wb") as dump:
                command = [str(spy), "dump", "--pid", str(pid)]
                subprocess.run(command, stdout=dump, stderr=subprocess.STDOUT, check=False)


def failures(found: dict[str, Any]) -> list[str]:
    """What is wrong with the outcome of a run; empty when it is as it should be."""
    wrong = [f"{name}: {found[name]}" for name in ("agrees",) if not found[name]]
    zeros = ("lost", "doubled", "wrong_windows", "wrong_anomalies", "other_disagreements")
    wrong += [f"{name}: {found[name]}" for name in zeros if found[name]]
    if found["judged_again"]["differences"]:
        wrong.append(f"a test on history differs from the live run in {found['judged_again']['differences']} rows")
    wrong += [f"no order has {table}" for table, rows in found["judged"].items() if not rows]
    if found["sent"] != found["in_kafka"]:
        wrong.append(f"{found['sent']} records were sent, {found['in_kafka']} are in Kafka")
    if found["unrecovered"]:
        wrong.append(f"no recovery from {', '.join(found['unrecovered'])}")
    if not found.get("api_agrees", True):
        wrong.append("the API answers another number of transactions than the recount")
    return wrong


@asynccontextmanager
async def _concurrently(*work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Runs coroutines as long as the block runs; the error of one is raised at its end."""
    tasks = [asyncio.create_task(each) for each in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome


def _stored(found: dict[str, Any]) -> int:
    return int(found["topics"]["transactions"]["stored"])
