"""`globalmart up` and `globalmart down`: the Docker stack."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

if TYPE_CHECKING:
    from compose.docker import Compose

EnvFile = Annotated[Path, typer.Option("--env-file", help="The stack's settings.", dir_okay=False)]

#: Services that run only with their profile.
_SERVICES: Final[Mapping[str, tuple[str, ...]]] = {"traffic": ("generator",), "spark": ("spark-master", "spark-worker")}


def up(
    workers: Annotated[
        int | None, typer.Option(min=1, help="Stream workers to run; as many as before if not given, or 1.")
    ] = None,
    traffic: Annotated[bool | None, typer.Option(help="With the generator or without; as before if not given.")] = None,
    spark: Annotated[bool | None, typer.Option(help="With a Spark cluster or without; as before if not given.")] = None,
    timeout: Annotated[int, typer.Option(min=1, help="Seconds to wait until everything is healthy.")] = 600,
    env_file: EnvFile = Path(".env"),
) -> None:
    """Build the images and start the Docker stack, wait until everything is healthy.

    Exit code 1 when something does not become healthy in time, a port is taken or Docker is missing. Run it again after
    a change of `.env`: only affected containers are restarted; options not given keep their former state.

    Example: globalmart up --traffic --workers 2
    """
    from compose.docker import Compose, unprotected

    compose = Compose.find(env_file)
    running = compose.running()
    present = running.containers
    wanted = _profiles({"traffic": traffic, "spark": spark}, present)
    resolved = compose.resolved(wanted)
    compose.require_free_ports(resolved, running)
    for warning in unprotected(resolved):
        typer.echo(f"warning: {warning}", err=True)
    for name, services in _SERVICES.items():
        for service in services if name not in wanted else ():
            if present.get(service):
                _run(compose, compose.remove(service))
    _run(compose, compose.build())
    _exec(compose, compose.up(workers or present.get("worker", 0) or 1, wanted, timeout))


def _profiles(options: Mapping[str, bool | None], running: Mapping[str, int]) -> list[str]:
    """Returns the selected profiles and the running ones without an option."""
    return [
        name
        for name, wanted in options.items()
        if wanted or (wanted is None and any(running.get(one) for one in _SERVICES[name]))
    ]


def down(
    volumes: Annotated[bool, typer.Option("--volumes", help="Also delete the stack's data.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Delete without asking.")] = False,
    env_file: EnvFile = Path(".env"),
) -> None:
    """Stop the Docker stack; its data is kept for the next `globalmart up`.

    A running batch is stopped, too; the next `globalmart up` runs it again.

    Example: globalmart down
    """
    from compose.docker import Compose

    compose = Compose.find(env_file)
    if volumes and not yes:
        typer.confirm("Delete all data of the stack: orders, ledger, warehouse?", abort=True)
    _exec(compose, compose.down(volumes=volumes))


def _run(compose: "Compose", command: list[str]) -> None:
    """Runs a step; exits with Compose's exit code if it fails."""
    done = subprocess.run(command, env=compose.environ, check=False)
    if done.returncode:
        raise typer.Exit(done.returncode)


def _exec(compose: "Compose", command: list[str]) -> None:
    """Replaces this process by Compose, so that its progress, signals and exit code are passed through."""
    os.execvpe(command[0], command, compose.environ)
