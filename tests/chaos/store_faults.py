"""Faults of the stores; the time to recover counts from the store's return."""

import asyncio
from typing import Final

from compose.embedded.server import EmbeddedServer
from tests.chaos.gauge import Gauge
from tests.chaos.schedule import Fault
from tests.chaos.small_disk import SmallDisk, make_slow
from tests.faults import databases
from tests.faults.world import World

_SLOW_SECONDS: Final = 0.3
_END_SESSIONS: Final = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE 'globalmart-%'"""
_LOCK: Final = """
SELECT 1 FROM stream_progress WHERE topic = 'transactions' ORDER BY partition OFFSET $1 LIMIT 1 FOR UPDATE"""


class StoreFaults:
    """One fault of a store at a time; those of different stores overlap."""

    def __init__(self, world: World, gauge: Gauge, disk: SmallDisk) -> None:
        self._world = world
        self._gauge = gauge
        self._disk = disk
        self._kafka_turn = asyncio.Lock()
        self._postgres_turn = asyncio.Lock()

    async def kill_kafka(self, fault: Fault) -> bool:
        """SIGKILL and a start."""
        async with self._kafka_turn:
            await self._kill_and_start(self._world.stack.kafka)
        self._gauge.fault(fault.kind)
        return True

    async def restart_kafka(self, fault: Fault) -> bool:
        """Stops the store for a while."""
        async with self._kafka_turn:
            await self._stop_and_start(self._world.stack.kafka, fault.lasts_seconds)
        self._gauge.fault(fault.kind)
        return True

    async def kill_postgres(self, fault: Fault) -> bool:
        """SIGKILL and a start."""
        async with self._postgres_turn:
            await self._kill_and_start(self._world.stack.postgres)
        self._gauge.fault(fault.kind)
        return True

    async def restart_postgres(self, fault: Fault) -> bool:
        """Stops the store for a while."""
        async with self._postgres_turn:
            await self._stop_and_start(self._world.stack.postgres, fault.lasts_seconds)
        self._gauge.fault(fault.kind)
        return True

    async def kill_mongo(self, fault: Fault) -> bool:
        """SIGKILL and a start; nothing of the stream uses it."""
        await self._kill_and_start(self._world.stack.mongo)
        return True

    async def _kill_and_start(self, server: EmbeddedServer) -> None:
        await asyncio.to_thread(server.kill)
        await asyncio.to_thread(server.start)

    async def _stop_and_start(self, server: EmbeddedServer, down_seconds: float) -> None:
        await asyncio.to_thread(server.stop)
        await asyncio.sleep(down_seconds)
        await asyncio.to_thread(server.start)

    async def end_sessions(self, fault: Fault) -> bool:
        """All sessions of workers and API."""
        async with self._postgres_turn:
            await self._world.sql(_END_SESSIONS)
        self._gauge.fault(fault.kind)
        return True

    async def lock_row(self, fault: Fault) -> bool:
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

    async def fill_disk(self, fault: Fault) -> bool:
        """No space for transactions for a while."""
        async with self._postgres_turn:
            await self._disk.fill()
            await asyncio.sleep(fault.lasts_seconds)
            await self._disk.free()
        self._gauge.fault(fault.kind)
        return True

    async def slow_down(self, fault: Fault) -> bool:
        """Every insert takes longer for a while."""
        async with self._postgres_turn:
            await make_slow(self._world, _SLOW_SECONDS)
            await asyncio.sleep(fault.lasts_seconds)
            await make_slow(self._world, 0)
        self._gauge.fault(fault.kind)
        return True
