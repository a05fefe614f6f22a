"""How each kind of fault is done, and what is counted of it."""

from collections import Counter
from collections.abc import Awaitable, Callable

from tests.chaos.programs import Api
from tests.chaos.schedule import Fault, Kind
from tests.chaos.store_faults import StoreFaults
from tests.chaos.worker_faults import WorkerFaults
from tests.faults.world import World

Harm = Callable[[Fault], Awaitable[bool]]


class Inflictor:
    """Does faults to one world; `done` counts those that took place, `missed` those that found no occasion."""

    def __init__(self, world: World, workers: WorkerFaults, stores: StoreFaults, api: Api | None) -> None:
        self._world = world
        self._api = api
        self._harms: dict[Kind, Harm] = _to_workers(workers) | _to_stores(stores)
        self._harms |= {Kind.CLOCK_JUMP: self._jump, Kind.API_KILL: self._kill_api}
        self.done: Counter[str] = Counter()
        self.missed: Counter[str] = Counter()

    async def inflict(self, fault: Fault) -> None:
        """Do it and wait until its cause is over."""
        took_place = await self._harms[fault.kind](fault)
        (self.done if took_place else self.missed)[fault.kind] += 1

    async def _jump(self, fault: Fault) -> bool:
        self._world.traffic.jump(fault.jump_seconds)
        return True

    async def _kill_api(self, fault: Fault) -> bool:
        if self._api is None:
            return False
        await self._api.kill_and_start()
        return True


def _to_workers(workers: WorkerFaults) -> dict[Kind, Harm]:
    return {
        Kind.WORKER_KILL: workers.kill,
        Kind.WORKER_TERM: workers.stop,
        Kind.WORKER_ZOMBIE: workers.freeze,
        Kind.WORKER_ADDED: workers.add,
        Kind.POINT_KILL: lambda fault: workers.harm_at_point(fault, "kill"),
        Kind.POINT_ZOMBIE: workers.freeze_at_point,
        Kind.POINT_DISCONNECT: lambda fault: workers.harm_at_point(fault, "disconnect"),
        Kind.POINT_DEADLOCK: lambda fault: workers.harm_at_point(fault, "exception"),
        Kind.POINT_BUG: lambda fault: workers.harm_at_point(fault, "bug"),
        Kind.POINT_STALL: lambda fault: workers.harm_at_point(fault, "stall"),
    }


def _to_stores(stores: StoreFaults) -> dict[Kind, Harm]:
    return {
        Kind.KAFKA_KILL: stores.kill_kafka,
        Kind.KAFKA_RESTART: stores.restart_kafka,
        Kind.POSTGRES_KILL: stores.kill_postgres,
        Kind.POSTGRES_RESTART: stores.restart_postgres,
        Kind.SESSIONS_ENDED: stores.end_sessions,
        Kind.ROW_LOCKED: stores.lock_row,
        Kind.DISK_FULL: stores.fill_disk,
        Kind.SLOW_DATABASE: stores.slow_down,
        Kind.MONGO_KILL: stores.kill_mongo,
    }
