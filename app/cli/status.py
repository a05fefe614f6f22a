"""`globalmart status`: rates, lag, last batch, disk."""

import asyncio
import json
import os
import signal
import sys
from contextlib import nullcontext, suppress
from dataclasses import asdict
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.live import Live

from app.cli.exits import EXIT_INTERRUPTED
from app.settings import Settings, load_settings


def status(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Refresh until Ctrl-C.")] = False,
    over: Annotated[float, typer.Option(min=0.1, help="Seconds over which rates are measured.")] = 2.0,
) -> None:
    """Show rates, lag, the last batch and the disk; if a store does not answer, the others are still shown.

    Exit codes: 0 every store answers; 1 one does not; 2 wrong usage or settings.

    Example: globalmart status --watch
    """

    from app.cli.status_view import view
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

    from app.cli.status_view import view
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
