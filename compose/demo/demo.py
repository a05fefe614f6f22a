"""The composition root of the demo."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from app.java import find_java
from app.kafka.admin import create_topics
from app.patience import ANSWER_SECONDS
from app.postgres.migrate import migrate
from app.reconcile.stream.recount import reconcile
from app.reconcile.warehouse.warehouse_check import segments_line, warehouse_table
from app.settings import (
    ApiSettings,
    BatchSettings,
    DashboardSettings,
    DemoSettings,
    GeneralSettings,
    GeneratorSettings,
    KafkaSettings,
    PostgresSettings,
    Settings,
    file_variable,
    load_settings,
    secret_variables,
)
from compose.demo.batch_process import NightlyRun
from compose.demo.comparisons import api_table, compare_api, compare_warehouse
from compose.demo.demo_report import checks_table, demo_report, latency_line, report_table, write_report
from compose.demo.figures import FirstFigures, read_buckets, read_metrics, read_settled_live_figures
from compose.demo.observability import start_monitoring
from compose.demo.pace import DAY_CURVE_DEPTH, live_options
from compose.demo.processes import Processes
from compose.demo.progress import Progress, addresses, import_line, psql_line
from compose.demo.signals import Interrupts, signals_unwind
from compose.embedded.stack import EmbeddedStack

SERVICES: Final = ("kafka", "postgres", "mongo")
REPORT_NAME: Final = "demo-report.json"
#: Settings for connections to servers outside the embedded stack.
_KAFKA_CONNECTION: Final = ("security", "ca_file", "certificate_file", "key_file", "sasl_mechanism", "user", "password")
_POSTGRES_CONNECTION: Final = ("sslmode", "ca_file", "certificate_file", "key_file")


def run(
    *, duration_seconds: float | None = None, fresh: bool = True, rush: bool = False, console: Console | None = None
) -> int:
    """Runs the demo and returns its exit code: 0 if every figure agrees in every store, else 1.

    Live traffic has the pace of the history, in a rush the generator's own rates.
    Ctrl-C during the traffic ends the traffic and still recounts and publishes; at any other time it ends everything in
    order, and a second one ends everything at once. Raises GlobalMartError when something cannot be started.
    """
    console = Console() if console is None else console
    find_java()  # Spark needs one, even where the broker does not
    var_dir = GeneralSettings.read(os.environ).var_dir
    stack = EmbeddedStack(
        var_dir,
        services=SERVICES,
        fresh=fresh,
        allow_memory_broker=True,
        report=lambda text: console.print(escape(text), style="dim", soft_wrap=True),
    )
    with signals_unwind() as interrupts, stack:
        return _run(stack, duration_seconds, console, interrupts, rush=rush)


def _run(
    stack: EmbeddedStack, duration_seconds: float | None, console: Console, interrupts: Interrupts, *, rush: bool
) -> int:
    environ = _environment(stack)
    settings = load_settings(environ)
    processes = Processes(stack, environ)
    first = FirstFigures(processes)
    monitoring = _begin(stack, processes, settings, console)
    if settings.demo.history_days:
        history = Progress(stack, processes, console, first)
        _send_history(processes, settings.demo, history, console)
    since = read_buckets(read_metrics(processes.metrics_port) or "")
    processes.start_generator(() if rush else live_options(settings.demo, settings.generator))
    batch = _start_batch(processes, settings.demo, console)
    console.print(addresses(stack, processes), monitoring, sep="\n")
    console.print(escape(psql_line(stack)), soft_wrap=True)
    console.print("Your own orders, from a second terminal:", style="dim")
    console.print(escape(import_line(stack)), soft_wrap=True)
    progress = Progress(stack, processes, console, first, since)
    seconds = _let_traffic_flow(progress, batch, duration_seconds, interrupts)
    processes.generator.stop()
    console.print("Waiting for the last records", style="dim")
    asyncio.run(_in(progress, progress.catching_up))
    console.print("Recounting everything", style="dim")
    live = read_settled_live_figures(processes.metrics_port)
    recount = asyncio.run(reconcile(settings, live_tables=live))
    warehouse = compare_warehouse(processes, settings, console, batch)
    api = compare_api(processes.api_url, settings, console)
    report = demo_report(
        seconds, first.seconds, stack.kafka.description, progress.figures, progress.latency, recount, warehouse, api
    )
    return _conclude(report, stack.var_dir / REPORT_NAME, console)


def _begin(stack: EmbeddedStack, processes: Processes, settings: Settings, console: Console) -> Table:
    """Creates schema and topics, starts worker, API and dashboard; returns the monitoring's addresses."""
    _prepare(settings, console)
    console.print(
        f"Starting worker, API on port {processes.api_port} and dashboard on port {processes.dashboard_port}",
        style="dim",
    )
    processes.start_services()
    return start_monitoring(stack, settings, [processes.metrics_port], [processes.api_port])


def _environment(stack: EmbeddedStack) -> Mapping[str, str]:
    """Returns this process's environment with every address and password replaced by the embedded servers'.

    Spark runs locally as well, whatever cluster and connectors are set. History and traffic use the same small shop.
    """
    elsewhere = {
        *map(BatchSettings.variable, ("master", "reader", "writer")),
        "MASTER",
        # The demo's API needs no key, so that its address can be opened in a browser.
        ApiSettings.variable("key_hashes"),
        DashboardSettings.variable("api_key"),
        *map(file_variable, secret_variables()),
        *map(KafkaSettings.variable, _KAFKA_CONNECTION),
        *map(PostgresSettings.variable, _POSTGRES_CONNECTION),
    }
    ours = {name: value for name, value in os.environ.items() if name not in elsewhere}
    products = DemoSettings.read(os.environ).products
    shop = {GeneratorSettings.variable("products"): str(products)}
    preferred = {
        GeneratorSettings.variable("day_curve_depth"): str(DAY_CURVE_DEPTH),
        # One machine runs everything here: a late answer is better than none.
        ApiSettings.variable("query_seconds"): str(ANSWER_SECONDS / 2),
        DashboardSettings.variable("api_timeout_seconds"): str(ANSWER_SECONDS),
    }
    return {**preferred, **ours, **stack.environment(), **shop}


def _prepare(settings: Settings, console: Console) -> None:
    console.print("Migrating the database and creating the topics", style="dim")
    asyncio.run(migrate(settings.postgres, settings.anomaly))
    kafka = settings.kafka
    create_topics(kafka.bootstrap, kafka.partitions, kafka.replication, kafka.retention_hours)


def _send_history(processes: Processes, settings: DemoSettings, progress: Progress, console: Console) -> None:
    console.print(f"Sending {settings.history_days} days of history through the stream", style="dim")
    processes.start_history(settings)

    async def history() -> None:
        await progress.history()
        await progress.catching_up()

    asyncio.run(_in(progress, history))


def _start_batch(processes: Processes, settings: DemoSettings, console: Console) -> NightlyRun | None:
    """Publishes the history up to yesterday while the traffic runs; None without a history."""
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    return NightlyRun(processes, yesterday, console) if settings.history_days else None


def _let_traffic_flow(
    progress: Progress, batch: NightlyRun | None, duration_seconds: float | None, interrupts: Interrupts
) -> float:
    """Shows the traffic until its end or Ctrl-C; returns its duration in seconds."""
    started = time.monotonic()
    with interrupts.ending_traffic():
        asyncio.run(_in(progress, lambda: progress.traffic(duration_seconds, batch, lambda: interrupts.requested)))
    return time.monotonic() - started


async def _in(progress: Progress, wait: Callable[[], Awaitable[None]]) -> None:
    async with progress:
        await wait()


def _conclude(report: dict[str, Any], path: Path, console: Console) -> int:
    write_report(report, path)
    warehouse = report["warehouse"]
    tables = (report_table(report), checks_table(report), warehouse_table(warehouse))
    console.print(*tables, api_table(report), sep="\n")
    console.print(segments_line(warehouse), latency_line(report), sep="\n", soft_wrap=True)
    for detail in report["details"]:
        console.print(escape(detail), style="red", soft_wrap=True)
    if report["mismatches"]:
        console.print(f"[bold red]{report['mismatches']:,} mismatches[/], see {escape(str(path))}")
        return 1
    console.print(
        "[green]every figure agrees with the recount, the warehouse with PostgreSQL, the API with both[/], "
        f"see {escape(str(path))}",
        soft_wrap=True,
    )
    return 0
