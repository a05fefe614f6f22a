"""Server-sent events of anomalies: in the outbox's order, with resume, nothing skipped or repeated."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import asyncpg
from fastapi.responses import StreamingResponse

from api.api_metrics import ApiMetrics
from api.middleware import HEAD_ONLY
from api.postgres_reader import Database, is_down
from api.queries import anomalies
from api.responses import to_json
from api.stores import StoreDownError
from app.postgres.connections import ANOMALIES_NUMBERED

logger = logging.getLogger(__name__)
_BATCH: Final = 500
_RETRY_MS: Final = 2000
_FIELDS: Final = (
    *("transaction_id", "user_id", "anomaly_type", "anomaly_score", "amount", "detected_at", "description"),
    *("rule_version", "severity", "suppressed", "risk_score", "action"),
)


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


@dataclass(frozen=True, slots=True)
class AnomalyEvents:
    """The stream of one client; `seconds` is a monotonic clock."""

    database: Database
    notifications: Notifications
    poll_seconds: float
    heartbeat_seconds: float
    seconds: Callable[[], float] = time.monotonic

    async def after(self, position: int) -> AsyncIterator[bytes]:
        """Yields events of the anomalies after a position, and comments when there are none, until notifications close.

        The first line has the position, so that a client without an event resumes there.
        """
        yield b"retry: %d\nid: %d\n\n" % (_RETRY_MS, position)
        sent_at = self.seconds()
        while not self.notifications.closed:
            ticket = self.notifications.ticket()
            rows, comment = await self._read(position)
            for row in rows:
                position = row["position"]
                yield event_of(row)
            if not rows:
                await self.notifications.wait(ticket, self.poll_seconds)
            if rows:
                sent_at = self.seconds()
            elif self.seconds() - sent_at >= self.heartbeat_seconds:
                sent_at = self.seconds()
                yield comment

    async def _read(self, position: int) -> tuple[list[asyncpg.Record], bytes]:
        """Returns the next rows, and the comment to send when a heartbeat is due."""
        try:
            rows = await anomalies.after_position(self.database, position, _BATCH)
        except StoreDownError as error:
            return [], b": waiting for %s\n\n" % error.store.encode()
        return rows, b": heartbeat\n\n"


class EventResponse(StreamingResponse):
    """A stream of events that is counted while it is open."""

    media_type = "text/event-stream"

    def __init__(self, events: AsyncIterator[bytes], metrics: ApiMetrics) -> None:
        super().__init__(events, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        self._metrics = metrics

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Sends the stream, or only its headers for HEAD."""
        if scope.get(HEAD_ONLY):
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            await send({"type": "http.response.body", "body": b""})
            return
        with self._metrics.stream():
            await super().__call__(scope, receive, send)


def event_of(row: asyncpg.Record) -> bytes:
    """Returns an anomaly as an event; its id is the position to resume after."""
    data = to_json({name: row[name] for name in _FIELDS})
    return b"id: %d\nevent: anomaly\ndata: %s\n\n" % (row["position"], data)
