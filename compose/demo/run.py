"""The composition root of the demo."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import Any, Final

from pymongo.errors import PyMongoError
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from app.errors import EmbeddedStackError
from app.kafka.admin import create_topics
from app.postgres.migrate import migrate
from app.reconcile import reconcile
from app.settings import (
    BatchSettings,
    DemoSettings,
    GeneralSettings,
    GeneratorSettings,
    Settings,
    load_settings,
)
from compose.demo.children import Children
from compose.demo.latency import read_buckets, read_metrics
from compose.demo.live import read_settled_live_figures
from compose.demo.monitoring import start_monitoring
from compose.demo.nightly import run_nightly
from compose.demo.published_totals import published_totals
from compose.demo.report import checks_table, demo_report, latency_line, report_table, write_report
from compose.demo.status import addresses, psql_line
from compose.demo.stored_totals import stored_totals
from compose.demo.warehouse import WarehouseReport, segments_line, warehouse_table
from compose.demo.watch import Watch
from compose.embedded.java import find_java
from compose.embedded.stack import EmbeddedStack

SERVICES: Final = ("kafka", "postgres", "mongo")
REPORT_NAME: Final = "demo-report.json"
_EXIT_TERMINATED: Final = 128 + signal.SIGTERM


def run(
    *, duration_seconds: float | None = None, fresh: bool = True, console: Console | None = None
) -> int:
    """Run the demo and return its exit code: 0 if every figure agrees in every store, else 1.

    Ctrl-C during the traffic ends the traffic and still recounts and publishes; at any other time,
    or a second time, it ends everything. Raises GlobalMartError when something cannot be started.
    """
    console = Console() if console is None else console
    find_java()  # Spark needs one, whatever the broker runs on
    var_dir = GeneralSettings.read(os.environ).var_dir
    stack = EmbeddedStack(
        var_dir,
        services=SERVICES,
        fresh=fresh,
        allow_memory_broker=True,
        report=lambda text: console.print(escape(text), style="dim", soft_wrap=True),
    )
    with _signals_unwind(), stack:
        return _run(stack, duration_seconds, console)


def _run(stack: EmbeddedStack, duration_seconds: float | None, console: Console) -> int:
    environ = _environment(stack)
    settings = load_settings(environ)
    children = Children(stack, environ)
    monitoring = _begin(stack, children, settings, console)
    since = read_buckets(read_metrics(children.metrics_port) or "")
    children.start_generator()
    console.print(addresses(stack, children.metrics_port))
    console.print(monitoring)
    console.print(escape(psql_line(stack)), soft_wrap=True)
    watch = Watch(stack, children, console, since)
    seconds = _let_traffic_flow(watch, duration_seconds, console)
    children.generator.stop()
    console.print("Waiting for the last records", style="dim")
    asyncio.run(_in(watch, watch.catching_up))
    console.print("Recounting everything", style="dim")
    live = read_settled_live_figures(children.metrics_port)
    recount = asyncio.run(reconcile(settings, live_tables=live))
    warehouse = _publish_and_compare(stack, children, settings, console)
    report = demo_report(
        seconds, stack.kafka.description, watch.figures, watch.latency, recount, warehouse
    )
    return _conclude(report, stack.var_dir / REPORT_NAME, console)


def _begin(stack: EmbeddedStack, children: Children, settings: Settings, console: Console) -> Table:
    """A worker, a history that has gone through it, and a warehouse that holds it up to yesterday.

    Returns where the monitoring answers.
    """
    _prepare(settings, console)
    console.print("Starting the worker", style="dim")
    children.start_worker()
    monitoring = start_monitoring(stack, settings, [children.metrics_port])
    if settings.demo.history_days:
        _send_history(stack, children, settings.demo, console)
        run_nightly(children, _today() - timedelta(days=1), console)
    return monitoring


def _publish_and_compare(
    stack: EmbeddedStack, children: Children, settings: Settings, console: Console
) -> WarehouseReport:
    """Bring the warehouse up to and with today, so that it holds the live traffic, too."""
    as_of = _today()
    try:
        seconds = run_nightly(children, as_of, console)
        console.print(
            f"Comparing the warehouse with PostgreSQL up to and with {as_of}", style="dim"
        )
        expected = asyncio.run(stored_totals(stack.postgres.dsn(), as_of))
        return WarehouseReport(as_of, seconds, expected, published_totals(settings.mongo, as_of))
    except (EmbeddedStackError, PyMongoError) as error:
        return WarehouseReport(as_of, failure=str(error))


def _today() -> date:
    return datetime.now(UTC).date()


def _environment(stack: EmbeddedStack) -> Mapping[str, str]:
    """Our environment with every address and password replaced by the embedded servers'.

    Spark runs here, too, whatever cluster and connectors are set; history and traffic are of the same
    small shop.
    """
    elsewhere = {*map(BatchSettings.variable, ("master", "reader", "writer")), "MASTER"}
    ours = {name: value for name, value in os.environ.items() if name not in elsewhere}
    products = DemoSettings.read(os.environ).products
    shop = {GeneratorSettings.variable("products"): str(products)}
    return {**ours, **stack.environment(), **shop}


def _prepare(settings: Settings, console: Console) -> None:
    console.print("Migrating the database and creating the topics", style="dim")
    asyncio.run(migrate(settings.postgres))
    kafka = settings.kafka
    create_topics(kafka.bootstrap, kafka.partitions, kafka.replication, kafka.retention_hours)


def _send_history(
    stack: EmbeddedStack, children: Children, settings: DemoSettings, console: Console
) -> None:
    console.print(
        f"Sending {settings.history_days} days of history through the stream", style="dim"
    )
    children.start_history(settings)
    watch = Watch(stack, children, console)

    async def history() -> None:
        await watch.history()
        await watch.catching_up()

    asyncio.run(_in(watch, history))


def _let_traffic_flow(watch: Watch, duration_seconds: float | None, console: Console) -> float:
    """Show traffic to its end or to Ctrl-C; returns its seconds."""
    started = time.monotonic()
    try:
        asyncio.run(_in(watch, lambda: watch.traffic(duration_seconds)))
    except KeyboardInterrupt:
        console.print("Ending the traffic; Ctrl-C again ends without the recount")
    return time.monotonic() - started


async def _in(watch: Watch, wait: Callable[[], Awaitable[None]]) -> None:
    async with watch:
        await wait()


def _conclude(report: dict[str, Any], path: Path, console: Console) -> int:
    write_report(report, path)
    warehouse = report["warehouse"]
    console.print(report_table(report), checks_table(report), warehouse_table(warehouse), sep="\n")
    console.print(segments_line(warehouse), latency_line(report), sep="\n", soft_wrap=True)
    for detail in report["details"]:
        console.print(escape(detail), style="red", soft_wrap=True)
    if report["mismatches"]:
        console.print(f"[bold red]{report['mismatches']:,} mismatches[/], see {escape(str(path))}")
        return 1
    console.print(
        "[green]every figure agrees with the recount, the warehouse with PostgreSQL[/], "
        f"see {escape(str(path))}",
        soft_wrap=True,
    )
    return 0


@contextmanager
def _signals_unwind() -> Iterator[None]:
    """SIGTERM becomes an exit that runs every clean-up on its way; Ctrl-C works in any shell job."""

    def leave(number: int, frame: FrameType | None) -> None:
        sys.exit(_EXIT_TERMINATED)

    # A shell starts background jobs with SIGINT ignored, and Python would leave it so.
    handlers = {signal.SIGTERM: leave, signal.SIGINT: signal.default_int_handler}
    former = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
