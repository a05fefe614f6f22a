"""`globalmart schedule`: another command every day, where there is no cron and no systemd."""

import asyncio
import re
import sys
from datetime import time
from typing import Annotated

import typer

from app.cli.commands import COMMANDS
from app.cli.exits import EXIT_LOCKED
from app.settings import load_settings


def schedule(
    command: Annotated[list[str], typer.Argument(help="The command; with options of its own, after `--`.")],
    daily_at: Annotated[str, typer.Option("--daily-at", help="Time of day in UTC, HH:MM.")],
) -> None:
    """Run another command of globalmart every day at a time of UTC, until SIGTERM.

    Any number of days missed while it was stopped lead to one run at its start. SIGTERM is passed to a
    running command at once; the next start runs it again. Its state is in `schedule` in
    GLOBALMART_VAR_DIR, where a file's age shows that it is alive.

    Example: globalmart schedule --daily-at 02:15 batch nightly
    """
    from app.ops.schedule import DailyTimer, Pace, State

    at = _time(daily_at)
    _require_command(command)
    name = " ".join(command)
    state = State(load_settings().general.var_dir / "schedule" / f"{_file_name(command)}.json")
    program = [sys.executable, "-m", "app.cli", *command]
    timer = DailyTimer(program, at, state, lambda text: typer.echo(f"{name}: {text}"), pace=Pace(EXIT_LOCKED))
    asyncio.run(timer.run())


def _time(text: str) -> time:
    if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", text, re.ASCII):
        raise typer.BadParameter(
            f"{text!r} is not a time of day; write HH:MM in UTC, such as 02:15", param_hint="--daily-at"
        )
    return time.fromisoformat(text)


def _require_command(command: list[str]) -> None:
    known = {known.name for known in COMMANDS} - {"schedule"}
    if command[0] not in known:
        raise typer.BadParameter(
            f"{command[0]!r} is not a command to schedule; there are {', '.join(sorted(known))}", param_hint="COMMAND"
        )


def _file_name(command: list[str]) -> str:
    """Returns a file name, such as batch-nightly; other characters become dashes."""
    return re.sub(r"[^A-Za-z0-9]+", "-", " ".join(command)).strip("-")
