"""`globalmart worker`: executes a Faust worker."""

import os
import sys
from typing import Annotated

import typer


def worker(
    context: typer.Context, log_level: Annotated[str, typer.Option(help="debug, info, warn or error.")] = "info"
) -> None:
    """Run one stream worker in this process; several of them share the partitions.

    The same as `faust -A app.worker worker -l info`; further arguments go to Faust.

    Example: globalmart worker --log-level warn
    """
    from app.errors import SettingsError
    from app.settings import load_settings

    # Checked here, so that an error of the settings is printed before Faust starts and logs.
    postgres = load_settings().postgres
    if postgres.worker_password is None:
        variable = postgres.variable("worker_password")
        raise SettingsError(f"{variable} is not set; `globalmart init` writes one into .env")
    command = [sys.executable, "-m", "faust", "-A", "app.worker", "worker", "-l", log_level]
    os.execv(sys.executable, [*command, *context.args])
