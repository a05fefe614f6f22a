"""What runs workers in production: starts another one whenever one has ended."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Final

from app.sink.fault_points import FaultPoint
from tests.faults.processes import WorkerProcess
from tests.faults.world import World

_LOOK_SECONDS: Final = 0.1


class Supervisor:
    """Keeps so many workers running; each obeys orders to harm itself inside the transaction."""

    def __init__(self, world: World, count: int, orders: Path, **changes: str) -> None:
        self._world = world
        self._orders = orders
        self._changes = changes
        self._order_of: dict[int, Path] = {}
        self.stopped: set[int] = set()
        self.exits: Counter[str] = Counter()
        self.workers = [self.start() for _ in range(count)]

    def start(self) -> WorkerProcess:
        """One more worker, which nobody restarts unless it is one of `workers`."""
        order = self._orders / f"order-{len(self._world.workers) + 1}"
        worker = self._world.commanded(order, **self._changes)
        self._order_of[worker.pid] = order
        return worker

    async def run(self) -> None:
        """Replace workers that ended, until cancelled."""
        while True:
            for place, worker in enumerate(self.workers):
                if worker.exit_code is not None:
                    self.exits[str(worker.exit_code)] += 1
                    self.workers[place] = self.start()
            await asyncio.sleep(_LOOK_SECONDS)

    def victim(self, dice: float) -> WorkerProcess | None:
        """One of the workers that have committed something, none of the stopped ones."""
        healthy = [w for w in self.workers if w.exit_code is None and w.pid not in self.stopped]
        working = [worker for worker in healthy if "metrics on" in worker.log()]
        return working[int(dice * len(working))] if working else None

    def order(self, worker: WorkerProcess, point: FaultPoint, action: str) -> Path:
        """Have the worker harm itself when it passes the point next; the file is gone once it has."""
        order = self._order_of[worker.pid]
        draft = order.with_suffix(".draft")
        draft.write_text(f"{point} {action}")
        return draft.rename(order)
