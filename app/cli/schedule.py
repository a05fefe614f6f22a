"""`globalmart schedule`: another command every day, where there is no cron and no systemd."""

import asyncio
import re
import sys
from datetime import time
from typing import Annotated

import typer

from app.cli.locking import EXIT_LOCKED


def schedule(
    command: Annotated[list[str], typer.Argument(help="The command; with options of its own, after `--`.")],
    daily_at: Annotated[str, typer.Option("--daily-at", help="Time of day in UTC, HH:MM.")],
) -> None:
    """Run another command of globalmart every day at a time of UTC, until SIGTERM.

    What was missed while it was stopped, however many days, is made up for by one run at its start. SIGTERM goes to a
    running command at once; that run is begun again at the next start. It remembers in `schedule` in
    GLOBALMART_VAR_DIR, where a file's age says that it lives.

    Example: globalmart schedule --daily-at 02:15 batch nightly
    """
    from app.ops.schedule import Account, DailyTimer, Pace
    from app.settings import load_settings

    at = _time(daily_at)
    _require_command(command)
    name = " ".join(command)
    account = Account(load_settings().general.var_dir / "schedule" / f"{_file_name(command)}.json")
    program = [sys.executable, "-m", "app.cli", *command]
    timer = DailyTimer(program, at, account, lambda text: typer.echo(f"{name}: {text}"), pace=Pace(EXIT_LOCKED))
    asyncio.run(timer.run())


def _time(text: str) -> time:
    if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", text, re.ASCII):
        raise typer.BadParameter(
            f"{text!r} is no time of day; write HH:MM in UTC, such as 02:15", param_hint="--daily-at"
        )
    return time.fromisoformat(text)


def _require_command(command: list[str]) -> None:
    from app.cli.commands import COMMANDS

    known = {known.name for known in COMMANDS} - {"schedule"}
    if command[0] not in known:
        raise typer.BadParameter(
            f"{command[0]!r} is no command to schedule; there are {', '.join(sorted(known))}", param_hint="COMMAND"
        )


def _file_name(command: list[str]) -> str:
    """`batch nightly` in batch-nightly.json; whatever a file name does not bear becomes a dash."""
    return re.sub(r"[^A-Za-z0-9]+", "-", " ".join(command)).strip("-")
