"""Wakes the event streams when PostgreSQL notifies that anomalies were numbered."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import asyncpg

from api.postgres import is_down
from app.postgres.connections import ANOMALIES_NUMBERED

logger = logging.getLogger(__name__)


class Notifications:
    """One LISTEN for all streams of the process; a stream takes a ticket before it reads the table."""

    def __init__(self, connect: Callable[[], Awaitable[asyncpg.Connection]], retry_seconds: float):
        self._connect = connect
        self._retry_seconds = retry_seconds
        self._event = asyncio.Event()
        self.closed = False

    def ticket(self) -> asyncio.Event:
        """Returns a ticket, to be taken before reading the table: a later notification sets it."""
        return self._event

    async def wait(self, ticket: asyncio.Event, seconds: float) -> None:
        """Returns after a notification since the ticket was taken, or after the time."""
        try:
            async with asyncio.timeout(seconds):
                await ticket.wait()
        except TimeoutError:
            return

    def notify(self) -> None:
        """Wakes every waiting stream."""
        self._event, former = asyncio.Event(), self._event
        former.set()

    def close(self) -> None:
        """Ends the streams."""
        self.closed = True
        self.notify()

    async def listen(self) -> None:
        """Listens until cancelled; while the database is down the streams poll it."""
        while True:
            try:
                await self._listen_once()
            except Exception as error:
                if not is_down(error):
                    raise
                logger.warning("listening to postgresql failed, retrying: %r", error)
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
