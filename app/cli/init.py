"""`globalmart init`: a `.env` with random secrets."""

import secrets
from pathlib import Path
from typing import Annotated

import typer

_SECRETS = (
    "GLOBALMART_POSTGRES_OWNER_PASSWORD",
    "GLOBALMART_POSTGRES_WORKER_PASSWORD",
    "GLOBALMART_POSTGRES_READER_PASSWORD",
)


def init(
    file: Annotated[Path, typer.Option(help="File to write.", dir_okay=False)] = Path(".env"),
) -> None:
    """Write a settings file with a random password per role, readable by its owner only.

    Refuses to touch a file that exists. The embedded demo needs none.

    Example: globalmart init
    """
    lines = [f"{name}={secrets.token_urlsafe(24)}" for name in _SECRETS]
    try:
        file.touch(mode=0o600, exist_ok=False)
    except FileExistsError:
        typer.echo(f"{file} exists and is left alone; move it away to get a new one", err=True)
        raise typer.Exit(1) from None
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    typer.echo(f"wrote {file}; next: `globalmart migrate` gives the roles these passwords")
