"""How each fault is done, and when it is over.

The time to recover counts from the harm where others take over (workers), and from the return of what was taken away
(stores, disk, locks).
"""

import asyncio
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Final

from compose.embedded.server import EmbeddedServer
from tests.chaos.gauge import Gauge
from tests.chaos.programs import Api
from tests.chaos.schedule import Fault, Kind
from tests.chaos.small_disk import SmallDisk, make_slow
from tests.chaos.supervisor import Supervisor
from tests.faults import databases
from tests.faults.processes import WorkerProcess
from tests.faults.world import World

_VICTIM_SECONDS: Final = 30.0
_POINT_SECONDS: Final = 20.0
_LOOK_SECONDS: Final = 0.05
_SLOW_SECONDS: Final = 0.3
_STOP_SECONDS: Final = 30.0
_END_SESSIONS: Final = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE 'globalmart-%'"""
_LOCK: Final = """
SELECT 1 FROM stream_progress WHERE topic = 'transactions' ORDER BY partition OFFSET $1 LIMIT 1 FOR UPDATE"""


class Inflictor:
    """Does faults to one world; `done` counts those that took place, `missed` those that found no occasion."""

    def __init__(
        self, world: World, supervisor: Supervisor, gauge: Gauge, disk: SmallDisk, api: Api | None
    ) -> None:
        self._world = world
        self._supervisor = supervisor
        self._gauge = gauge
        self._disk = disk
        self._api = api
        self._kafka_turn = asyncio.Lock()
        self._postgres_turn = asyncio.Lock()
        self.done: Counter[str] = Counter()
        self.missed: Counter[str] = Counter()
        self.stop_seconds: list[float] = []
        self._how: dict[Kind, Callable[[Fault], Awaitable[bool]]] = {
            Kind.WORKER_KILL: self._kill_worker,
            Kind.WORKER_TERM: self._stop_worker,
            Kind.WORKER_ZOMBIE: self._make_zombie,
            Kind.WORKER_ADDED: self._add_worker,
            Kind.POINT_KILL: lambda fault: self._at_point(fault, "kill"),
            Kind.POINT_ZOMBIE: self._make_zombie_at_point,
            Kind.POINT_DISCONNECT: lambda fault: self._at_point(fault, "disconnect"),
            Kind.POINT_DEADLOCK: lambda fault: self._at_point(fault, "exception"),
            Kind.POINT_BUG: lambda fault: self._at_point(fault, "bug"),
            Kind.POINT_STALL: lambda fault: self._at_point(fault, "stall"),
            Kind.KAFKA_KILL: self._kill_kafka,
            Kind.KAFKA_RESTART: self._restart_kafka,
            Kind.POSTGRES_KILL: self._kill_postgres,
            Kind.POSTGRES_RESTART: self._restart_postgres,
            Kind.SESSIONS_ENDED: self._end_sessions,
            Kind.ROW_LOCKED: self._lock_row,
            Kind.DISK_FULL: self._fill_disk,
            Kind.SLOW_DATABASE: self._slow_down,
            Kind.CLOCK_JUMP: self._jump,
            Kind.API_KILL: self._kill_api,
            Kind.MONGO_KILL: self._kill_mongo,
        }

    async def inflict(self, fault: Fault) -> None:
        """Do it and wait until its cause is over."""
        took_place = await self._how[fault.kind](fault)
        (self.done if took_place else self.missed)[fault.kind] += 1

    # --- workers ---

    async def _victim(self, fault: Fault) -> WorkerProcess | None:
        deadline = time.monotonic() + _VICTIM_SECONDS
        while (worker := self._supervisor.victim(fault.dice)) is None:
            if time.monotonic() > deadline:
                return None
            await asyncio.sleep(_LOOK_SECONDS)
        return worker

    async def _kill_worker(self, fault: Fault) -> bool:
        if (worker := await self._victim(fault)) is None:
            return False
        worker.kill()
        self._gauge.fault(fault.kind)
        return True

    async def _stop_worker(self, fault: Fault) -> bool:
        if (worker := await self._victim(fault)) is None:
            return False
        started = time.monotonic()
        self._gauge.fault(fault.kind)
        await asyncio.to_thread(worker.stop, _STOP_SECONDS)
        self.stop_seconds.append(time.monotonic() - started)
        return True

    async def _make_zombie(self, fault: Fault) -> bool:
        if (worker := await self._victim(fault)) is None:
            return False
        worker.signal(signal.SIGSTOP)
        await self._keep_stopped(worker, fault)
        return True

    async def _make_zombie_at_point(self, fault: Fault) -> bool:
        if (worker := await self._reach_point(fault, "stop")) is None:
            return False
        await self._keep_stopped(worker, fault)
        return True

    async def _keep_stopped(self, worker: WorkerProcess, fault: Fault) -> None:
        """The others take over; then it comes back and goes on with what it was doing."""
        self._supervisor.stopped.add(worker.pid)
        self._gauge.fault(fault.kind)
        await asyncio.sleep(fault.lasts_seconds)
        worker.signal(signal.SIGCONT)
        self._supervisor.stopped.discard(worker.pid)

    async def _add_worker(self, fault: Fault) -> bool:
        guest = self._supervisor.start()
        await self._until(lambda: "Joined group" in guest.log(), _VICTIM_SECONDS)
        self._gauge.fault(fault.kind)
        await asyncio.sleep(fault.lasts_seconds)
        started = time.monotonic()
        await asyncio.to_thread(guest.stop, _STOP_SECONDS)
        self.stop_seconds.append(time.monotonic() - started)
        return True

    async def _at_point(self, fault: Fault, action: str) -> bool:
        if await self._reach_point(fault, action) is None:
            return False
        self._gauge.fault(fault.kind)
        return True

    async def _reach_point(self, fault: Fault, action: str) -> WorkerProcess | None:
        """Let a worker harm itself at the fault's point; None if it does not come by."""
        if (worker := await self._victim(fault)) is None:
            return None
        order = self._supervisor.order(worker, fault.point, action)
        if await self._until(lambda: not order.exists(), _POINT_SECONDS):
            return worker
        order.unlink(missing_ok=True)
        return None

    async def _until(self, true: Callable[[], bool], seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while not true():
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(_LOOK_SECONDS)
        return True

    # --- stores ---

    async def _kill_kafka(self, fault: Fault) -> bool:
        async with self._kafka_turn:
            await self._kill_and_start(self._world.stack.kafka)
        self._gauge.fault(fault.kind)
        return True

    async def _restart_kafka(self, fault: Fault) -> bool:
        async with self._kafka_turn:
            await self._stop_and_start(self._world.stack.kafka, fault.lasts_seconds)
        self._gauge.fault(fault.kind)
        return True

    async def _kill_postgres(self, fault: Fault) -> bool:
        async with self._postgres_turn:
            await self._kill_and_start(self._world.stack.postgres)
        self._gauge.fault(fault.kind)
        return True

    async def _restart_postgres(self, fault: Fault) -> bool:
        async with self._postgres_turn:
            await self._stop_and_start(self._world.stack.postgres, fault.lasts_seconds)
        self._gauge.fault(fault.kind)
        return True

    async def _kill_mongo(self, fault: Fault) -> bool:
        await self._kill_and_start(self._world.stack.mongo)
        return True

    async def _kill_and_start(self, server: EmbeddedServer) -> None:
        await asyncio.to_thread(server.kill)
        await asyncio.to_thread(server.start)

    async def _stop_and_start(self, server: EmbeddedServer, away_seconds: float) -> None:
        await asyncio.to_thread(server.stop)
        await asyncio.sleep(away_seconds)
        await asyncio.to_thread(server.start)

    async def _end_sessions(self, fault: Fault) -> bool:
        async with self._postgres_turn:
            await self._world.sql(_END_SESSIONS)
        self._gauge.fault(fault.kind)
        return True

    async def _lock_row(self, fault: Fault) -> bool:
        """The ledger's row of one partition, which every commit of that partition needs."""
        async with self._postgres_turn:
            connection = await databases.connect(self._world.stack, self._world.database)
            try:
                async with connection.transaction():
                    await connection.fetch(_LOCK, int(fault.dice * 6))
                    await asyncio.sleep(fault.lasts_seconds)
            finally:
                await connection.close()
        self._gauge.fault(fault.kind)
        return True

    async def _fill_disk(self, fault: Fault) -> bool:
        async with self._postgres_turn:
            await self._disk.fill()
            await asyncio.sleep(fault.lasts_seconds)
            await self._disk.free()
        self._gauge.fault(fault.kind)
        return True

    async def _slow_down(self, fault: Fault) -> bool:
        async with self._postgres_turn:
            await make_slow(self._world, _SLOW_SECONDS)
            await asyncio.sleep(fault.lasts_seconds)
            await make_slow(self._world, 0)
        self._gauge.fault(fault.kind)
        return True

    # --- the rest ---

    async def _jump(self, fault: Fault) -> bool:
        self._world.traffic.jump(fault.jump_seconds)
        return True

    async def _kill_api(self, fault: Fault) -> bool:
        if self._api is None:
            return False
        await self._api.kill_and_start()
        return True
