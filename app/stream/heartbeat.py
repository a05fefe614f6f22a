"""Tells PostgreSQL every few seconds that this worker lives, its lag, latencies and memory.

On a connection of its own, outside every chunk's transaction, and with a limit on each attempt: whatever goes wrong
here is logged and tried again; the stream never waits for it.
"""

import asyncio
import json
import os
import socket
import uuid
from collections import Counter, deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from faust.types import TP
from mode import Service
from mode.utils.logging import get_logger

from app.metrics import WorkerMetrics
from app.postgres.heartbeats import HEARTBEAT_SECONDS
from app.sink.connection import SinkConnection

logger = get_logger(__name__)

_ATTEMPT_SECONDS: Final = 4.0
_LEAVE_SECONDS: Final = 1.0
_MINUTE: Final = 12  # heartbeats
_BEAT: Final = """
INSERT INTO worker_heartbeats (worker_id, host, pid, started_at, lag, latency, rss_bytes)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (worker_id) DO UPDATE SET seen_at = CURRENT_TIMESTAMP, lag = excluded.lag,
    latency = excluded.latency, rss_bytes = excluded.rss_bytes"""
_FORGET: Final = "DELETE FROM worker_heartbeats WHERE seen_at < CURRENT_TIMESTAMP - INTERVAL '1 hour'"
_LEAVE: Final = "DELETE FROM worker_heartbeats WHERE worker_id = $1"
_STATM: Final = Path("/proc/self/statm")


class Heartbeats(Service):
    """Writes the row of this worker and removes it at the end."""

    abstract = False

    def __init__(
        self,
        connection: SinkConnection,
        metrics: WorkerMetrics,
        lags: Callable[[], Mapping[TP, int]],
        every_seconds: float = HEARTBEAT_SECONDS,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._connection = connection
        self._metrics = metrics
        self._lags = lags
        self._every_seconds = every_seconds
        self._one_at_a_time = asyncio.Lock()
        self._started_at = datetime.now(UTC)
        self._host = socket.gethostname()
        self.worker_id = f"{self._host}-{os.getpid()}-{uuid.uuid4().hex[:8]}"[:100]
        self._minute: deque[dict[float, int]] = deque([{}], _MINUTE + 1)

    async def on_stop(self) -> None:
        """Leave, so that nobody takes this worker for one that hangs."""
        await self._attempt([(_LEAVE, (self.worker_id,))], _LEAVE_SECONDS)
        await self._connection.close()

    @Service.task
    async def _beat(self) -> None:
        await self._attempt([(_FORGET, ()), (_BEAT, self._state())], _ATTEMPT_SECONDS)
        async for _ in self.itertimer(self._every_seconds, name="heartbeat"):
            if not self.should_stop:
                await self._attempt([(_BEAT, self._state())], _ATTEMPT_SECONDS)

    async def _attempt(self, statements: list[tuple[str, tuple[Any, ...]]], seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds), self._one_at_a_time:
                connection = await self._connection.get()
                for statement, arguments in statements:
                    await connection.execute(statement, *arguments)
        except Exception as error:  # noqa: BLE001 - a heartbeat never harms the stream
            self._connection.discard()
            logger.warning("no heartbeat: %r", error)

    def _state(self) -> tuple[Any, ...]:
        lag: Counter[str] = Counter()
        for partition, records in self._lags().items():
            lag[partition.topic] += records
        return (
            self.worker_id,
            self._host,
            os.getpid(),
            self._started_at,
            json.dumps(lag),
            json.dumps(self._latency()),
            _rss_bytes(),
        )

    def _latency(self) -> list[tuple[float | None, int]]:
        """Records of the last minute by bucket; null is the bucket without a bound."""
        now = self._metrics.end_to_end_seconds.counts()
        self._minute.append(now)
        before = self._minute[0]
        return [
            (None if bound == float("inf") else bound, count - before.get(bound, 0)) for bound, count in now.items()
        ]


def _rss_bytes() -> int | None:
    if not _STATM.exists():
        return None
    return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
