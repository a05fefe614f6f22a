"""`globalmart status`: rates, lag, last batch, disk."""

import asyncio
import json
from contextlib import nullcontext
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
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
    from app.operate.status import take_status
    from app.settings import load_settings

    settings = load_settings()
    if watch:
        asyncio.run(_watch(settings, over))
    taken = asyncio.run(take_status(settings, over))
    if as_json:
        answer = asdict(taken) | {"all_answer": taken.all_answer}
        typer.echo(json.dumps(answer, default=str, indent=2))
    else:
        Console().print(view(taken))
    raise typer.Exit(0 if taken.all_answer else 1)


async def _watch(settings: "Settings", over: float) -> None:
    """Show look after look in one place, or one below the other where it is no terminal; Ctrl-C ends it."""
    from rich.console import Console
    from rich.live import Live

    from app.cli.status_view import view
    from app.operate.status import take_status

    task, console = asyncio.current_task(), Console()
    assert task is not None
    live = Live("Looking", console=console, auto_refresh=False)
    with live if console.is_terminal else nullcontext():
        while not task.cancelling():
            seen = view(await take_status(settings, over))
            if console.is_terminal:
                live.update(seen, refresh=True)
            else:
                console.print(seen)
    raise asyncio.CancelledError  # a client on the way has kept the first one to itself
