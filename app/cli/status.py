"""`globalmart status`: rates, lag, last batch, disk."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final, NoReturn

import typer
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from app.cli.exits import EXIT_INTERRUPTED
from app.settings import Settings, load_settings

if TYPE_CHECKING:
    from app.ops.status.collect import Run, Runs, Status
    from app.ops.status.postgres_state import Ledger

_UNITS: Final = ("B", "kB", "MB", "GB", "TB")


def view(status: "Status") -> RenderableType:
    """Renders the stores, then the stream, the batch and the sizes."""
    parts: list[RenderableType] = [_stores(status)]
    parts.extend(Text(store.problem, style="red") for store in status.stores if store.problem)
    parts.append(_stream(status))
    if status.ledger is not None:
        parts.append(_workers(status.ledger))
        parts.extend(_waiting(status.ledger))
    if status.runs is not None:
        parts.append(_batch(status.runs, status.taken_at))
    parts.append(Text(_sizes(status), style="dim"))
    return Group(*parts)


def _stores(status: "Status") -> Table:
    table = Table("store", "address", "state", box=None, header_style="bold")
    for store in status.stores:
        state = "[green]answers[/]" if store.problem is None else "[red]no answer[/]"
        table.add_row(store.name, escape(store.address), state)
    return table


def _stream(status: "Status") -> Table:
    table = Table(box=None, header_style="bold")
    table.add_column("topic", no_wrap=True)
    for name in ("per s", "lag", "consumed", "stored", "duplicates", "rejected", "last event"):
        table.add_column(name, justify="right", no_wrap=name == "last event")
    for topic in status.topics:
        counts = (topic.lag, topic.consumed, topic.stored, topic.duplicates, topic.dead_lettered)
        cells = ["-" if count is None else f"{count:,}" for count in counts]
        rate = "-" if topic.rate is None else f"{topic.rate:,.0f}"
        table.add_row(topic.topic, rate, *cells, _ago(topic.watermark, status.taken_at))
    return table


def _workers(ledger: "Ledger") -> Text:
    if not ledger.workers:
        return Text("workers: none is alive", style="yellow")
    memory = sum(worker.rss_bytes or 0 for worker in ledger.workers)
    names = ", ".join(worker.worker_id for worker in ledger.workers)
    return Text(f"workers: {len(ledger.workers)} ({names}), {_size(memory)} of memory")


def _waiting(ledger: "Ledger") -> Iterator[Text]:
    for topic, found in ledger.waiting.items():
        if found.rows:
            text = f"{topic}: {found.rows:,} copies are waiting, the oldest for {found.seconds:.0f} s"
            yield Text(text, style="yellow")


def _batch(runs: "Runs", now: datetime) -> Text:
    if runs.last is None:
        return Text("batch: no run yet", style="yellow")
    lines = [f"batch: {_run(runs.last, now)}"]
    if runs.published is None:
        lines.append("nothing is published yet")
    elif runs.published.id != runs.last.id:
        lines.append(f"published: {_run(runs.published, now)}")
    style = {"published": "green", "running": ""}.get(runs.last.status, "red")
    return Text("\n".join(lines), style=style)


def _run(run: "Run", now: datetime) -> str:
    when = f"ended {_ago(run.ended, now)}" if run.ended else f"started {_ago(run.started, now)}"
    error = f": {run.error}" if run.error else ""
    return f"{run.job} as of {run.as_of:%Y-%m-%d} {run.status}, {when}{error}"


def _sizes(status: "Status") -> str:
    parts = [f"disk {_size(status.disk_free)} free of {_size(status.disk_total)}"]
    if status.ledger is not None:
        parts.append(f"PostgreSQL {_size(status.ledger.database_bytes)}")
        parts.append(f"schema {status.ledger.schema_version}")
    if status.runs is not None:
        parts.append(f"MongoDB {_size(status.runs.database_bytes)}")
    return ", ".join(parts)


def _ago(moment: datetime | None, now: datetime) -> str:
    """Returns the age of a time in its largest suitable unit."""
    if moment is None:
        return "-"
    seconds = (now - moment).total_seconds()
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"


def _size(count: float) -> str:
    for unit in _UNITS[:-1]:
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} {_UNITS[-1]}"


def status(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Refresh until Ctrl-C.")] = False,
    over: Annotated[float, typer.Option(min=0.1, help="Seconds over which rates are measured.")] = 2.0,
) -> None:
    """Show rates, lag, the last batch and the disk; if a store does not answer, the others are still shown.

    Exit codes: 0 every store answers; 1 one does not; 2 wrong usage or settings.

    Example: globalmart status --watch
    """
    from app.ops.status.collect import collect_status

    settings = load_settings()
    if watch:
        asyncio.run(_watch(settings, over))
    taken = asyncio.run(collect_status(settings, over))
    if as_json:
        answer = asdict(taken) | {"all_answer": taken.all_answer}
        typer.echo(json.dumps(answer, default=str, indent=2))
    else:
        Console().print(view(taken))
    raise typer.Exit(0 if taken.all_answer else 1)


async def _watch(settings: Settings, over: float) -> NoReturn:
    """Refreshes the view in place, or prints each one if stdout is not a terminal; Ctrl-C ends it."""
    from app.ops.status.collect import collect_status

    console = Console()
    live = Live("Reading the stores", console=console, auto_refresh=False)
    signal.signal(signal.SIGINT, lambda *_: _exit_at_once(live))
    with live if console.is_terminal else nullcontext():
        while True:
            current = view(await collect_status(settings, over))
            if console.is_terminal:
                live.update(current, refresh=True)
            else:
                console.print(current)


def _exit_at_once(live: Live) -> None:
    """Exits without waiting for threads: reading leaves nothing unfinished, and a client's thread may take long."""
    live.stop()
    with suppress(RuntimeError):  # a line was being written
        sys.stdout.flush()
    os._exit(EXIT_INTERRUPTED)
