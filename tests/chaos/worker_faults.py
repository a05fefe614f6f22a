"""Harm to workers; the time to recover counts from the harm, because others take over."""

import asyncio
import signal
import time
from collections.abc import Callable
from typing import Final

from tests.chaos.gauge import Gauge
from tests.chaos.schedule import Fault
from tests.chaos.supervisor import Supervisor
from tests.faults.processes import WorkerProcess
from tests.support.waiting import PATIENCE_SECONDS

_LOOK_SECONDS: Final = 0.05


class WorkerFaults:
    """Each method does one fault and answers whether it found a worker for it."""

    def __init__(self, supervisor: Supervisor, gauge: Gauge) -> None:
        self._supervisor = supervisor
        self._gauge = gauge
        self.stop_seconds: list[float] = []

    async def _victim(self, fault: Fault) -> WorkerProcess | None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (worker := self._supervisor.victim(fault.dice)) is None:
            if time.monotonic() > deadline:
                return None
            await asyncio.sleep(_LOOK_SECONDS)
        return worker

    async def kill(self, fault: Fault) -> bool:
        """SIGKILL."""
        if (worker := await self._victim(fault)) is None:
            return False
        worker.kill()
        self._gauge.fault(fault.kind)
        return True

    async def stop(self, fault: Fault) -> bool:
        """SIGTERM, and how long it takes to end."""
        if (worker := await self._victim(fault)) is None:
            return False
        started = time.monotonic()
        self._gauge.fault(fault.kind)
        await asyncio.to_thread(worker.stop)
        self.stop_seconds.append(time.monotonic() - started)
        return True

    async def freeze(self, fault: Fault) -> bool:
        """SIGSTOP at any time."""
        if (worker := await self._victim(fault)) is None:
            return False
        worker.signal(signal.SIGSTOP)
        await self._keep_stopped(worker, fault)
        return True

    async def freeze_at_point(self, fault: Fault) -> bool:
        """It stops itself inside the transaction."""
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

    async def add(self, fault: Fault) -> bool:
        """One more joins, stays a while and is stopped."""
        guest = self._supervisor.start()
        await self._until(lambda: "Joined group" in guest.log(), guest)
        self._gauge.fault(fault.kind)
        await asyncio.sleep(fault.lasts_seconds)
        started = time.monotonic()
        await asyncio.to_thread(guest.stop)
        self.stop_seconds.append(time.monotonic() - started)
        return True

    async def harm_at_point(self, fault: Fault, action: str) -> bool:
        """It harms itself inside the transaction."""
        if await self._reach_point(fault, action) is None:
            return False
        self._gauge.fault(fault.kind)
        return True

    async def _reach_point(self, fault: Fault, action: str) -> WorkerProcess | None:
        """Let a worker harm itself at the fault's point; None if it does not come by."""
        if (worker := await self._victim(fault)) is None:
            return None
        order = self._supervisor.order(worker, fault.point, action)
        if await self._until(lambda: not order.exists(), worker):
            return worker
        order.unlink(missing_ok=True)
        return None

    async def _until(self, true: Callable[[], bool], worker: WorkerProcess) -> bool:
        """Wait until it is true; False once the worker has ended without it."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not true():
            if worker.exit_code is not None or time.monotonic() > deadline:
                return False
            await asyncio.sleep(_LOOK_SECONDS)
        return True
