"""`globalmart status`: rates, lag, last batch, disk."""

import asyncio
import json
import os
import signal
import sys
from contextlib import nullcontext, suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from app.cli.interrupts import EXIT_INTERRUPTED

if TYPE_CHECKING:
    from rich.live import Live

    from app.settings import Settings


def status(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Look again until Ctrl-C.")] = False,
    over: Annotated[float, typer.Option(min=0.1, help="Seconds that rates are taken over.")] = 2.0,
) -> None:
    """Show rates, lag, the last batch and the disk; a store that is away is named, the rest is shown.

    Exit codes: 0 every store answers; 1 one is away; 2 wrong usage or settings.

    Example: globalmart status --watch
    """
    from rich.console import Console

    from app.cli.status_view import view
    from app.ops.status.collect import collect_status
    from app.settings import load_settings

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


async def _watch(settings: "Settings", over: float) -> NoReturn:
    """Show look after look in one place, or one below the other where it is no terminal; Ctrl-C ends it."""
    from rich.console import Console
    from rich.live import Live

    from app.cli.status_view import view
    from app.ops.status.collect import collect_status

    console = Console()
    live = Live("Looking", console=console, auto_refresh=False)
    signal.signal(signal.SIGINT, lambda *_: _end_at_once(live))
    with live if console.is_terminal else nullcontext():
        while True:
            seen = view(await collect_status(settings, over))
            if console.is_terminal:
                live.update(seen, refresh=True)
            else:
                console.print(seen)


def _end_at_once(live: "Live") -> None:
    """Nothing can be left half done, and an orderly end waits for whatever thread a client has under way."""
    live.stop()
    with suppress(RuntimeError):  # a line was being written
        sys.stdout.flush()
    os._exit(EXIT_INTERRUPTED)
