"""`globalmart migrate`: the database schema, the roles' passwords, the window geometry, the topics."""

import asyncio
from typing import Annotated

import typer

from app.settings import Settings, load_settings


def migrate(
    rebuild_windows: Annotated[
        bool,
        typer.Option(
            "--rebuild-windows",
            help="Also rebuild the sales windows for GLOBALMART_STREAM_WINDOW_SECONDS and _STEP_SECONDS.",
        ),
    ] = False,
    topics: Annotated[bool, typer.Option(help="Also create missing Kafka topics.")] = True,
) -> None:
    """Apply the migrations and create missing topics; a second run changes nothing.

    Example: globalmart migrate
    """
    settings = load_settings()
    _migrate_schema(settings)
    if topics:
        _create_missing_topics(settings)
    if rebuild_windows:
        _rebuild_windows(settings)


def _migrate_schema(settings: Settings) -> None:
    from app.postgres.migrate import migrate as apply_migrations

    for migration in asyncio.run(apply_migrations(settings.postgres, settings.anomaly)):
        typer.echo(f"applied {migration.version:04} {migration.name}")
    typer.echo("the schema is up to date")


def _create_missing_topics(settings: Settings) -> None:
    from app.kafka.admin import create_topics
    from app.security import librdkafka_options

    kafka = settings.kafka
    created = create_topics(
        kafka.bootstrap, kafka.partitions, kafka.replication, kafka.retention_hours, librdkafka_options(kafka)
    )
    typer.echo(f"created the topics {', '.join(created)}" if created else "all topics exist")


def _rebuild_windows(settings: Settings) -> None:
    from app.domain.windows import WindowGeometry
    from app.postgres.window_geometry import rebuild_windows

    stream = settings.stream
    geometry = WindowGeometry(stream.window_seconds, stream.window_step_seconds)
    panes = asyncio.run(rebuild_windows(settings.postgres, geometry))
    typer.echo(f"windows of {stream.window_seconds} s every {stream.window_step_seconds} s: {panes:,} panes")
