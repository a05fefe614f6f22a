"""The commands as tests see them."""

import asyncio
import subprocess
import sys

import typer

from app.cli.commands import build_app
from compose.embedded.stack import EmbeddedStack
from tests.faults.processes import ROOT, clean_environment
from tests.support.databases import Database
from tests.support.waiting import PATIENCE_SECONDS


class CommandLine:
    """Runs `globalmart` on a test's database."""

    def __init__(self, stack: EmbeddedStack, database: Database, **changed: str) -> None:
        """`changed` are settings without their prefix."""
        own = {"POSTGRES_DATABASE": database.name, "ENV_FILE": "", **changed}
        variables = {f"GLOBALMART_{name}": value for name, value in own.items()}
        self._environment = {**clean_environment(), **stack.environment(), **variables, "COLUMNS": "200"}

    async def run(self, *arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
        """Runs a command to its end with a text on standard input."""
        return await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "app.cli", *arguments],
            cwd=ROOT,
            env=self._environment,
            input=text,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )


def options_of(command: str) -> set[str]:
    """Every option of a command and of its sub-commands."""
    group = typer.main.get_command(build_app([command]))
    with group.make_context("globalmart", [command]) as context:
        found = group.get_command(context, command)  # type: ignore[attr-defined]
    parts = [found, *getattr(found, "commands", {}).values()]
    parameters = [parameter for part in parts for parameter in part.params]
    return {name for p in parameters for name in (*p.opts, *p.secondary_opts)} | {"--help"}
