"""`globalmart backup` and `globalmart restore`."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from app.cli.exits import exits_while_locked
from app.settings import load_settings

Mongo = Annotated[bool, typer.Option(help="Include the warehouse in MongoDB.")]


def backup(
    folder: Annotated[Path, typer.Argument(help="Parent of the new folder for this backup.")], mongo: Mongo = True
) -> None:
    """Back up PostgreSQL and MongoDB into a new folder; workers keep running.

    Exit codes: 0 done; 1 a store failed; 2 wrong usage or settings; 75 a batch run is in progress.

    Example: globalmart backup var/backups
    """
    from app.ops.backup.backup import backup as run
    from app.ops.backup.backup import read_manifest

    with exits_while_locked():
        made = asyncio.run(run(load_settings(), folder, mongo=mongo, report=typer.echo))
    content = read_manifest(made)
    rows = sum(table["rows"] for table in content["postgres"]["tables"].values())
    documents = sum(one["rows"] for one in content.get("mongo", {}).values())
    size = sum(file.stat().st_size for file in made.rglob("*") if file.is_file())
    typer.echo(f"{made}: {rows:,} rows, {documents:,} documents, {size / 2**20:,.1f} MiB")


def restore(
    folder: Annotated[Path, typer.Argument(exists=True, help="A backup's folder.")],
    mongo: Mongo = True,
    replace: Annotated[
        bool, typer.Option("--replace", help="Delete the content of the target databases first.")
    ] = False,
) -> None:
    """Restore a backup into the databases of the settings, and compare row for row by checksums.

    Refuses databases that are not empty, and while workers are connected.

    Exit codes: 0 restored and the same; 1 refused, different, or a store failed; 2 wrong usage or settings.

    Example: globalmart restore var/backups/globalmart-20251208T031500Z
    """
    from app.ops.backup.backup import restore as run

    asyncio.run(run(load_settings(), folder, mongo=mongo, replace=replace, report=typer.echo))
    typer.echo("restored, and equal to the backup")
