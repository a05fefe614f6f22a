"""Wakes the event streams when PostgreSQL says that anomalies were numbered."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import asyncpg

from api.postgres import is_down
from app.postgres.connections import ANOMALIES_NUMBERED

logger = logging.getLogger(__name__)


class Notifications:
    """One LISTEN for all streams of the process; who waits takes a ticket before looking."""

    def __init__(self, connect: Callable[[], Awaitable[asyncpg.Connection]], retry_seconds: float):
        self._connect = connect
        self._retry_seconds = retry_seconds
        self._rung = asyncio.Event()
        self.closed = False

    def ticket(self) -> asyncio.Event:
        """Take it before reading the table: what comes after the reading rings it."""
        return self._rung

    async def wait(self, ticket: asyncio.Event, seconds: float) -> None:
        """Return when it rang since the ticket was taken, or after the time."""
        try:
            async with asyncio.timeout(seconds):
                await ticket.wait()
        except TimeoutError:
            return

    def notify(self) -> None:
        """Wake everybody who waits."""
        self._rung, rung = asyncio.Event(), self._rung
        rung.set()

    def close(self) -> None:
        """Tell the streams to end."""
        self.closed = True
        self.notify()

    async def listen(self) -> None:
        """Listen for ever; while the database is down the streams look by themselves."""
        while True:
            try:
                await self._listen_once()
            except Exception as error:
                if not is_down(error):
                    raise
                logger.warning("not listening to postgresql: %r", error)
            await asyncio.sleep(self._retry_seconds)

    async def _listen_once(self) -> None:
        connection = await self._connect()
        try:
            ended = asyncio.Event()
            connection.add_termination_listener(lambda *_: ended.set())
            await connection.add_listener(ANOMALIES_NUMBERED, lambda *_: self.notify())
            self.notify()
            await ended.wait()
        finally:
            connection.terminate()
