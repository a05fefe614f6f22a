"""`globalmart up` and `globalmart down`: the Docker stack."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from compose.docker import Compose

EnvFile = Annotated[Path, typer.Option("--env-file", help="The stack's settings.", dir_okay=False)]


def up(
    workers: Annotated[int, typer.Option(min=1, help="Stream workers to run.")] = 1,
    traffic: Annotated[bool, typer.Option("--traffic", help="Also run the generator.")] = False,
    spark: Annotated[bool, typer.Option("--spark", help="Also run a Spark cluster.")] = False,
    env_file: EnvFile = Path(".env"),
) -> None:
    """Build the images and start the Docker stack, wait until everything is healthy.

    Exit code 1 when something does not become healthy or Docker is missing. Run it again after a change of `.env`:
    only affected containers are restarted.

    Example: globalmart up --traffic --workers 2
    """
    from compose.docker import Compose

    wanted = {"traffic": traffic, "spark": spark}
    profiles = [name for name, is_wanted in wanted.items() if is_wanted]
    compose = Compose.find(env_file)
    _exec(compose, compose.up(workers, profiles))


def down(
    volumes: Annotated[bool, typer.Option("--volumes", help="Also delete the stack's data.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Delete without asking.")] = False,
    env_file: EnvFile = Path(".env"),
) -> None:
    """Stop the Docker stack; its data is kept for the next `globalmart up`.

    Example: globalmart down
    """
    from compose.docker import Compose

    compose = Compose.find(env_file)
    if volumes and not yes:
        typer.confirm("Delete all data of the stack: orders, ledger, warehouse?", abort=True)
    _exec(compose, compose.down(volumes=volumes))


def _exec(compose: "Compose", command: list[str]) -> None:
    """Replaces this process by Compose, so that its progress, signals and exit code are passed through."""
    # The file is read twice: by Compose for the names in compose.yml, and by the containers.
    os.environ["GLOBALMART_ENV_FILE"] = str(compose.env_file)
    os.execvp(command[0], command)
