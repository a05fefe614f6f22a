"""`globalmart init`: a `.env` with random secrets."""

from pathlib import Path
from typing import Annotated

import typer

from app.cli import env_file


def init(
    file: Annotated[Path, typer.Option(help="File to write.", dir_okay=False)] = Path(".env"),
    example: Annotated[
        bool, typer.Option("--example", help="Print .env.example, which has no secrets, instead.")
    ] = False,
) -> None:
    """Write a settings file with a random secret for every role and server, readable by its owner only.

    Never changes an existing file. The Docker stack reads everything from it; with your own servers, correct their
    addresses and remove the variables of the others. The embedded demo needs no file.

    Example: globalmart init
    """

    if example:
        typer.echo(env_file.example(), nl=False)
        return
    try:
        file.touch(mode=0o600, exist_ok=False)
    except FileExistsError:
        typer.echo(f"{file} exists and was not changed; move it to get a new one", err=True)
        raise typer.Exit(1) from None
    file.write_text(env_file.with_secrets(), encoding="utf-8")
    typer.echo(f"wrote {file}; next: `globalmart up`, or `globalmart migrate` for your own servers")
