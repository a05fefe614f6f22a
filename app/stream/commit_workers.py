"""Connections that commit chunks in parallel, each partition always on the same connection.

While a connection waits for PostgreSQL the event loop decodes the next chunk. So database and worker overlap,
and two chunks of a partition are never committed at the same time.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from mode import Service

from app.sink.connection import SinkConnection

_CANCEL_AGAIN_SECONDS: Final = 0.5

Job = Callable[[SinkConnection], Awaitable[None]]


class CommitWorkers(Service):
    """A queue and a task per connection; a job that raises is a bug and crashes the worker."""

    abstract = False

    def __init__(self, connections: Sequence[SinkConnection], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._connections = connections
        self._queues: list[asyncio.Queue[Job]] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def on_start(self) -> None:
        """Starts a task per connection; a connection is opened when its first job needs it."""
        self._queues = [asyncio.Queue(maxsize=1) for _ in self._connections]
        self._tasks = [
            asyncio.create_task(self._run(queue, connection))
            for queue, connection in zip(self._queues, self._connections, strict=True)
        ]

    async def on_stop(self) -> None:
        """Cancels running jobs: their transactions roll back, and the next owner commits the chunks again.

        One cancel is not always enough: asyncpg turns it into an InterfaceError when the connection is closed.
        """
        running = set(self._tasks)
        while running:
            for task in running:
                task.cancel()
            _, running = await asyncio.wait(running, timeout=_CANCEL_AGAIN_SECONDS)
        for connection in self._connections:
            await connection.close()

    async def submit(self, partition: int, job: Job) -> None:
        """Queues the job for its partition's connection; waits while another job is queued there."""
        await self._queues[partition % len(self._queues)].put(job)

    async def idle(self) -> None:
        """Waits until every submitted job has finished."""
        await asyncio.gather(*(queue.join() for queue in self._queues))

    async def _run(self, queue: asyncio.Queue[Job], connection: SinkConnection) -> None:
        while not self.should_stop:
            job = await queue.get()
            try:
                await job(connection)
            except Exception as error:  # noqa: BLE001 - whatever it is, the worker must stop loudly
                await self.crash(error)
            finally:
                queue.task_done()
