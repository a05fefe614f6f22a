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

#: Which services are there only when a profile is asked for.
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

    Exit code 1 when something does not become healthy in time, a port is taken or Docker is missing. Run again after
    a change of `.env`: only what it concerns is started anew, and what is not named stays as it is.

    Example: globalmart up --traffic --workers 2
    """
    from compose.docker import Compose
    from compose.published_ports import open_to_anybody

    compose = Compose.find(env_file)
    running = compose.running()
    present = running.containers
    wanted = _profiles({"traffic": traffic, "spark": spark}, present)
    resolved = compose.resolved(wanted)
    compose.require_free_ports(resolved, running)
    for warning in open_to_anybody(resolved):
        typer.echo(f"warning: {warning}", err=True)
    for name, services in _SERVICES.items():
        for service in services if name not in wanted else ():
            if present.get(service):
                _run(compose, compose.remove(service))
    _run(compose, compose.build())
    _become(compose, compose.up(workers or present.get("worker", 0) or 1, wanted, timeout))


def _profiles(asked: Mapping[str, bool | None], running: Mapping[str, int]) -> list[str]:
    """What is asked for, and what runs and is not spoken of."""
    return [
        name
        for name, wanted in asked.items()
        if wanted or (wanted is None and any(running.get(one) for one in _SERVICES[name]))
    ]


def down(
    volumes: Annotated[bool, typer.Option("--volumes", help="Also delete the stack's data.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Delete without asking.")] = False,
    env_file: EnvFile = Path(".env"),
) -> None:
    """Stop the Docker stack; its data is kept for the next `globalmart up`.

    A batch under way is stopped, too, and begun again by the next `globalmart up`.

    Example: globalmart down
    """
    from compose.docker import Compose

    compose = Compose.find(env_file)
    if volumes and not yes:
        typer.confirm("Delete all data of the stack: orders, ledger, warehouse?", abort=True)
    _become(compose, compose.down(volumes=volumes))


def _run(compose: "Compose", command: list[str]) -> None:
    """One step before the last; a failure, which Compose has told, ends it all."""
    done = subprocess.run(command, env=compose.environ, check=False)
    if done.returncode:
        raise typer.Exit(done.returncode)


def _become(compose: "Compose", command: list[str]) -> None:
    """Compose takes over this process, so its progress, signals and exit code are its own."""
    os.execvpe(command[0], command, compose.environ)
