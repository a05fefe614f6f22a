"""`globalmart migrate`: the database schema, the roles' passwords, the window geometry."""

import asyncio
from typing import Annotated

import typer


def migrate(
    rebuild_windows: Annotated[
        bool,
        typer.Option(
            "--rebuild-windows",
            help="Also sum the sales windows anew for GLOBALMART_STREAM_WINDOW_SECONDS and _STEP_SECONDS.",
        ),
    ] = False,
) -> None:
    """Apply the migrations that are missing; run again it changes nothing.

    Example: globalmart migrate
    """
    from app.domain.windows import WindowGeometry
    from app.postgres.migrate import migrate as apply_migrations
    from app.postgres.windows import rebuild_windows as rebuild
    from app.settings import load_settings

    settings = load_settings()
    for migration in asyncio.run(apply_migrations(settings.postgres)):
        typer.echo(f"applied {migration.version:04} {migration.name}")
    typer.echo("the schema is up to date")
    if rebuild_windows:
        stream = settings.stream
        geometry = WindowGeometry(stream.window_seconds, stream.window_step_seconds)
        panes = asyncio.run(rebuild(settings.postgres, geometry))
        typer.echo(
            f"windows of {stream.window_seconds} s every {stream.window_step_seconds} s: {panes:,} panes"
        )
