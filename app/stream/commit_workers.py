"""Connections that commit chunks side by side; what waits meanwhile is committed together.

While a connection waits for PostgreSQL the event loop decodes the next chunk. So database and worker overlap, and two
chunks of a partition are never committed at the same time. A small chunk costs a transaction, whatever is in it:
the small chunks that arrive during one transaction share the next, whichever partitions they are of.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from faust.types import EventT
from mode import Service

from app.events.rows import DecodedRecords
from app.kafka.chunks import Chunk
from app.sink.connection import SinkConnection
from app.sink.inserter import FEW_ROWS

_CANCEL_AGAIN_SECONDS: Final = 0.5
#: Chunks of one partition share a transaction up to this many rows: the more, the fewer updates of its sums per row.
MOST_ROWS: Final = 16_000


@dataclass(frozen=True, slots=True, eq=False)
class DecodedChunk:
    """A chunk that waits for its commit, decoded at `decoded_at` (monotonic seconds)."""

    event: EventT
    chunk: Chunk
    decoded: DecodedRecords[Any]
    decoded_at: float

    @property
    def size(self) -> int:
        """Number of its records."""
        return len(self.chunk.records)


#: Commits chunks; several are small and may be of several partitions. What it raises is a bug.
CommitGroup = Callable[[SinkConnection, Sequence[DecodedChunk]], Awaitable[None]]


class CommitWorkers(Service):
    """Commits what is submitted, each partition in order; `capacity` is the number of records that may wait."""

    abstract = False

    def __init__(
        self, connections: Sequence[SinkConnection], commit: CommitGroup, *, capacity: int, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self._connections = connections
        self._commit = commit
        self._capacity = capacity
        self._idle = list(connections)
        self._waiting: deque[DecodedChunk] = deque()
        self._busy_partitions: set[int] = set()
        self._running: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Condition()

    async def on_stop(self) -> None:
        """Cancels running commits: their transactions roll back, and the next owner commits the chunks again.

        One cancel is not always enough: asyncpg turns it into an InterfaceError when the connection is closed.
        """
        running = set(self._running)
        while running:
            for task in running:
                task.cancel()
            _, running = await asyncio.wait(running, timeout=_CANCEL_AGAIN_SECONDS)
        for connection in self._connections:
            await connection.close()

    async def submit(self, decoded: DecodedChunk) -> None:
        """Queues the chunk for its commit; returns once the chunks that wait are within the capacity."""
        self._waiting.append(decoded)
        self._start_commits()
        async with self._changed:
            await self._changed.wait_for(self._has_room)

    async def idle(self) -> None:
        """Waits until every submitted chunk has been dealt with; after a stop nothing new is."""
        async with self._changed:
            await self._changed.wait_for(lambda: not self._running and (self.should_stop or not self._waiting))

    def _has_room(self) -> bool:
        return sum(decoded.size for decoded in self._waiting) <= self._capacity

    def _start_commits(self) -> None:
        while self._idle and not self.should_stop and (group := self._next_group()):
            for decoded in group:
                self._waiting.remove(decoded)
            self._busy_partitions.update(decoded.chunk.partition for decoded in group)
            task = asyncio.create_task(self._run(self._idle.pop(), group))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    def _next_group(self) -> list[DecodedChunk]:
        """Returns what is committed next: small chunks of any partitions, or all that waits of one partition.

        While a transaction runs, small chunks wait for its end until they fill another one.
        """
        group: list[DecodedChunk] = []
        size, later = 0, set(self._busy_partitions)
        for decoded in self._waiting:
            if decoded.chunk.partition in later:
                continue
            if not group or size + decoded.size <= _most_records(group, decoded):
                group.append(decoded)
                size += decoded.size
            else:
                later.add(decoded.chunk.partition)
        is_full = size >= FEW_ROWS or len(later) > len(self._busy_partitions)
        return group if is_full or not self._running else []

    async def _run(self, connection: SinkConnection, group: Sequence[DecodedChunk]) -> None:
        try:
            await self._commit(connection, group)
        except Exception as error:  # noqa: BLE001 - whatever it is, the worker must stop loudly
            await self.crash(error)
        finally:
            self._busy_partitions.difference_update(decoded.chunk.partition for decoded in group)
            self._idle.append(connection)
            self._running.discard(asyncio.current_task())
            self._start_commits()
            async with self._changed:
                self._changed.notify_all()


def _most_records(group: Sequence[DecodedChunk], another: DecodedChunk) -> int:
    """Returns how many records the group may have with another chunk: only few travel for several partitions."""
    partitions = {decoded.chunk.partition for decoded in (*group, another)}
    return FEW_ROWS if len(partitions) > 1 else MOST_ROWS
