"""`globalmart migrate`: the database schema, the roles' passwords, the window geometry, the topics."""

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
    topics: Annotated[
        bool, typer.Option(help="Also create the Kafka topics that are missing.")
    ] = True,
) -> None:
    """Apply the migrations and create the topics that are missing; run again it changes nothing.

    Example: globalmart migrate
    """
    from app.domain.windows import WindowGeometry
    from app.kafka.admin import create_topics
    from app.postgres.migrate import migrate as apply_migrations
    from app.postgres.windows import rebuild_windows as rebuild
    from app.security.kafka import librdkafka_options
    from app.settings import load_settings

    settings = load_settings()
    for migration in asyncio.run(apply_migrations(settings.postgres)):
        typer.echo(f"applied {migration.version:04} {migration.name}")
    typer.echo("the schema is up to date")
    if topics:
        kafka = settings.kafka
        created = create_topics(
            kafka.bootstrap, kafka.partitions, kafka.replication, kafka.retention_hours,
            librdkafka_options(kafka),
        )  # fmt: skip
        typer.echo(f"created the topics {', '.join(created)}" if created else "all topics exist")
    if rebuild_windows:
        stream = settings.stream
        geometry = WindowGeometry(stream.window_seconds, stream.window_step_seconds)
        panes = asyncio.run(rebuild(settings.postgres, geometry))
        typer.echo(
            f"windows of {stream.window_seconds} s every {stream.window_step_seconds} s: {panes:,} panes"
        )
