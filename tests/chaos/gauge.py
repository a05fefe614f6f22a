"""Watches the ledger: how long nothing moved, and how soon after a fault everything moved again."""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from app.postgres.connections import POSTGRES_FAILURES
from tests.faults import databases
from tests.faults.topics import Partition
from tests.faults.world import World

_SAMPLE_SECONDS: Final = 0.1
_QUERY: Final = "SELECT topic, partition, next_offset FROM stream_progress"
_ANSWER_SECONDS: Final = 2.0

Ledger = dict[Partition, int]


@dataclass(slots=True)
class Recovery:
    """From a fault's end (a worker's: its beginning) to a commit in every partition that has traffic."""

    kind: str
    since: float
    floor: Ledger | None = None
    seconds: float | None = None

    def look(self, begun: float, now: float, ledger: Ledger, busy: set[Partition]) -> None:
        """Take a sample into account; one that was begun before the fault says nothing."""
        if begun < self.since or self.seconds is not None:
            return
        if self.floor is None:
            self.floor = ledger
        elif all(ledger[partition] > self.floor.get(partition, 0) for partition in busy):
            self.seconds = now - self.since


class Gauge:
    """Samples the ledger ten times a second through a connection of its own."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._connection: Any = None
        self._first: Ledger = {}
        self._last: Ledger = {}
        self._moved_at = time.monotonic()
        self.recoveries: list[Recovery] = []
        self.longest_silence_seconds = 0.0

    async def run(self) -> None:
        """Sample until cancelled; a database that is down is a silence, too."""
        try:
            while True:
                begun = time.monotonic()
                if (ledger := await self._sample()) is not None:
                    self._take(begun, ledger)
                await asyncio.sleep(_SAMPLE_SECONDS)
        finally:
            self._drop_connection()

    def fault(self, kind: str) -> None:
        """A fault happened, or the store it stopped is back: from now on until everything moves."""
        self.recoveries.append(Recovery(kind, time.monotonic()))

    @property
    def pending(self) -> list[str]:
        """Faults after which not every partition has moved yet."""
        return [recovery.kind for recovery in self.recoveries if recovery.seconds is None]

    def _take(self, begun: float, ledger: Ledger) -> None:
        now = time.monotonic()
        self._first = ledger | self._first
        if sum(ledger.values()) > sum(self._last.values()):
            if self._last:
                silence_seconds = now - self._moved_at
                self.longest_silence_seconds = max(self.longest_silence_seconds, silence_seconds)
            self._moved_at = now
        self._last = ledger
        busy = {partition for partition, at in ledger.items() if at > self._first[partition]}
        for recovery in self.recoveries:
            recovery.look(begun, now, ledger, busy)

    async def _sample(self) -> Ledger | None:
        with suppress(*POSTGRES_FAILURES):
            async with asyncio.timeout(_ANSWER_SECONDS):
                if self._connection is None:
                    self._connection = await databases.connect(self._world.stack, self._world.database)
                rows = await self._connection.fetch(_QUERY)
                return {(row["topic"], row["partition"]): row["next_offset"] for row in rows}
        self._drop_connection()
        return None

    def _drop_connection(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None
