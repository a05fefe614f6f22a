"""Shows the demo's progress while it waits: for the live traffic, then for the worker's last records."""

import asyncio
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from shlex import quote
from typing import Final, Self

import asyncpg
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from app.errors import EmbeddedStackError
from app.patience import PATIENCE_SECONDS
from app.settings import KafkaSettings
from compose.demo.batch_process import NightlyRun
from compose.demo.figures import Figures, FirstFigures, Latency, read_figures, read_latency, read_metrics
from compose.demo.processes import Processes
from compose.embedded import mongo_server
from compose.embedded.ports import LOOPBACK
from compose.embedded.postgres_server import DATABASE, OWNER
from compose.embedded.stack import EmbeddedStack

_UPDATE_SECONDS: Final = 1.0
_UPDATES_PER_PRINTED_LINE: Final = 5


def addresses(stack: EmbeddedStack, processes: Processes) -> Table:
    """Returns a table with the addresses of all servers."""
    table = Table.grid(padding=(0, 2))
    table.add_row("dashboard", processes.dashboard_url, "")
    table.add_row("REST API", processes.api_url, f"{processes.api_url}/docs")
    table.add_row("Kafka", stack.kafka.bootstrap, stack.kafka.description)
    table.add_row("PostgreSQL", f"{LOOPBACK}:{stack.postgres.port}", f"database {DATABASE}")
    table.add_row("MongoDB", f"{LOOPBACK}:{stack.mongo.port}", f"database {mongo_server.DATABASE}")
    table.add_row("worker metrics", f"http://{LOOPBACK}:{processes.metrics_port}/metrics", "")
    table.add_row("logs", str(stack.var_dir / "logs"), "")
    return table


def psql_line(stack: EmbeddedStack) -> str:
    """Returns a command that opens psql; the password is in a file that only its owner can read."""
    server = stack.postgres
    return (
        f"PGPASSFILE={quote(str(server.password_file))} {quote(str(server.psql))} "
        f"-h {LOOPBACK} -p {server.port} -U {OWNER} {DATABASE}"
    )


def import_line(stack: EmbeddedStack) -> str:
    """Returns a command for a second terminal that imports a CSV into these servers, whatever `.env` contains."""
    settings = {"GLOBALMART_ENV_FILE": "", "GLOBALMART_KAFKA_BOOTSTRAP": stack.kafka.bootstrap}
    variables = " ".join(f"{name}={quote(value) if value else ''}" for name, value in settings.items())
    program = Path(sys.executable).with_name("globalmart")
    return f"{variables} {quote(str(program))} generate --from-csv shop.csv"


def status_line(before: Figures, now: Figures, latency: Latency) -> Text:
    """Returns totals, rate since `before`, lag, anomalies, dead letters and latency in one line."""
    seconds = max(now.at_seconds - before.at_seconds, 1e-9)
    rate = (now.total("stored") - before.total("stored")) / seconds
    anomalies = ", ".join(f"{kind} {count:,}" for kind, count in now.anomalies.items()) or "none"
    parts = [
        f"produced {now.total('produced'):,}",
        f"stored {now.total('stored'):,} ({rate:,.0f}/s)",
        f"lag {now.total('lag'):,}",
        f"anomalies {anomalies}",
        f"dead letters {now.total('dead_lettered'):,}",
        f"p50 {_milliseconds(latency.p50)}, p99 {_milliseconds(latency.p99)}",
    ]
    return Text(" | ".join(parts))


def _milliseconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds * 1000:.0f} ms"


class Progress:
    """Reads stores and worker once a second, shows a line, and keeps the last figures."""

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
        self._updates = 0
        self.latency = Latency()
        self.figures = Figures({}, {}, time.monotonic())

    async def __aenter__(self) -> Self:
        self._connection = await asyncpg.connect(self._stack.postgres.dsn())
        self._resources.push_async_callback(self._connection.close)
        self._live = self._resources.enter_context(Live(console=self._console, auto_refresh=False, transient=False))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._resources.aclose()

    async def traffic(
        self, duration_seconds: float | None, batch: NightlyRun | None, is_stopped: Callable[[], bool] = lambda: False
    ) -> None:
        """Shows live traffic and the batch that runs during it, until the duration is over or `is_stopped()`.

        Raises EmbeddedStackError if a process ended, or the batch without publishing.
        """
        ends = None if duration_seconds is None else time.monotonic() + duration_seconds
        while not is_stopped() and (ends is None or time.monotonic() < ends):
            self._processes.check()
            await self._update("" if batch is None else batch.poll())
            left = _UPDATE_SECONDS if ends is None else min(_UPDATE_SECONDS, ends - time.monotonic())
            await asyncio.sleep(max(left, 0.0))

    async def history(self) -> None:
        """Shows the stream until the whole history has been sent."""
        while not self._processes.history_is_sent():
            self._processes.check_services()
            await self._update()
            await asyncio.sleep(_UPDATE_SECONDS)

    async def catching_up(self) -> None:
        """Waits until everything is committed; raises EmbeddedStackError if the lag does not decrease."""
        await self._update()
        lag, moved = self.figures.total("lag"), time.monotonic()
        while lag > 0:
            self._processes.check_services()
            await asyncio.sleep(_UPDATE_SECONDS / 4)
            await self._update()
            if self.figures.total("lag") < lag:
                lag, moved = self.figures.total("lag"), time.monotonic()
            elif time.monotonic() - moved > PATIENCE_SECONDS:
                raise EmbeddedStackError(
                    f"the worker has made no progress for {PATIENCE_SECONDS:.0f} s with {lag:,} records "
                    f"remaining.\n{self._processes.worker.log_tail()}"
                )

    async def _update(self, batch_state: str = "") -> None:
        before, self.figures = self.figures, await read_figures(self._kafka, self._connection)
        page = await asyncio.to_thread(read_metrics, self._processes.metrics_port)
        if page is not None:
            self.latency = read_latency(page, self._since)
        if self._first.seconds is None:
            await self._first.check()
            self._print_first()
        self._show(before, batch_state)

    def _print_first(self) -> None:
        if self._first.seconds is not None:
            text = f"First figures after {self._first.seconds:.0f} s"
            self._console.print(f"{text}: {self._processes.dashboard_url}", soft_wrap=True)

    def _show(self, before: Figures, batch_state: str) -> None:
        line = status_line(before if before.topics else self.figures, self.figures, self.latency)
        if batch_state:
            line.append(f" | {batch_state}")
        self._updates += 1
        if self._console.is_terminal:
            self._live.update(line, refresh=True)
        elif self._updates % _UPDATES_PER_PRINTED_LINE == 1:
            self._console.print(line, soft_wrap=True)
