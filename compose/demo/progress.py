"""Waits in the demo: live traffic for its duration, then the worker's last records."""

import asyncio
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Final, Self

import asyncpg
from rich.console import Console
from rich.live import Live

from app.errors import EmbeddedStackError
from app.settings import KafkaSettings
from compose.demo.figures import Figures, FiguresReader
from compose.demo.first_figures import FirstFigures
from compose.demo.latency import Latency, read_latency, read_metrics
from compose.demo.nightly import NightlyRun
from compose.demo.processes import Processes
from compose.demo.status import status_line
from compose.embedded.stack import EmbeddedStack

_LOOK_SECONDS: Final = 1.0
_LOOKS_PER_PRINTED_LINE: Final = 5
_STUCK_SECONDS: Final = 60.0


class Progress:
    """Looks at stores and worker once a second, shows a line, and remembers the last look."""

    def __init__(
        self,
        stack: EmbeddedStack,
        processes: Processes,
        console: Console,
        first: FirstFigures,
        since: Mapping[float, float] | None = None,
    ) -> None:
        self._since = since
        self._stack = stack
        self._kafka = KafkaSettings.read(stack.environment())
        self._processes = processes
        self._console = console
        self._first = first
        self._resources = AsyncExitStack()
        self._looks = 0
        self.latency = Latency()
        self.figures = Figures({}, {}, time.monotonic())

    async def __aenter__(self) -> Self:
        connection = await asyncpg.connect(self._stack.postgres.dsn())
        self._resources.push_async_callback(connection.close)
        self._reader = FiguresReader(self._kafka, connection)
        self._live = self._resources.enter_context(Live(console=self._console, auto_refresh=False, transient=False))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._resources.aclose()

    async def traffic(self, duration_seconds: float | None, batch: NightlyRun | None) -> None:
        """Show live traffic, and the batch that runs beside it, until the duration is over, or for ever.

        Raises EmbeddedStackError if a child ended, or the batch without publishing.
        """
        ends = None if duration_seconds is None else time.monotonic() + duration_seconds
        while ends is None or time.monotonic() < ends:
            self._processes.check()
            await self._look("" if batch is None else batch.look())
            left = _LOOK_SECONDS if ends is None else min(_LOOK_SECONDS, ends - time.monotonic())
            await asyncio.sleep(max(left, 0.0))

    async def history(self) -> None:
        """Show the stream until all of the history has been sent."""
        while not self._processes.history_is_sent():
            self._processes.check_services()
            await self._look()
            await asyncio.sleep(_LOOK_SECONDS)

    async def catching_up(self) -> None:
        """Wait until nothing is left to commit; raises EmbeddedStackError if the lag stands still."""
        await self._look()
        lag, moved = self.figures.total("lag"), time.monotonic()
        while lag > 0:
            self._processes.check_services()
            await asyncio.sleep(_LOOK_SECONDS / 4)
            await self._look()
            if self.figures.total("lag") < lag:
                lag, moved = self.figures.total("lag"), time.monotonic()
            elif time.monotonic() - moved > _STUCK_SECONDS:
                raise EmbeddedStackError(
                    f"the worker has not moved for {_STUCK_SECONDS:.0f} s with {lag:,} records to "
                    f"go.\n{self._processes.worker.log_tail()}"
                )

    async def _look(self, beside: str = "") -> None:
        before, self.figures = self.figures, await self._reader.read()
        page = await asyncio.to_thread(read_metrics, self._processes.metrics_port)
        if page is not None:
            self.latency = read_latency(page, self._since)
        if self._first.seconds is None:
            await self._first.look()
            self._tell_first()
        self._show(before, beside)

    def _tell_first(self) -> None:
        if self._first.seconds is not None:
            about = f"First figures after {self._first.seconds:.0f} s"
            self._console.print(f"{about}: {self._processes.dashboard_url}", soft_wrap=True)

    def _show(self, before: Figures, beside: str) -> None:
        line = status_line(before if before.topics else self.figures, self.figures, self.latency)
        if beside:
            line.append(f" | {beside}")
        self._looks += 1
        if self._console.is_terminal:
            self._live.update(line, refresh=True)
        elif self._looks % _LOOKS_PER_PRINTED_LINE == 1:
            self._console.print(line, soft_wrap=True)
