"""`globalmart migrate`: the database schema and the roles' passwords."""

import asyncio

import typer


def migrate() -> None:
    """Apply the migrations that are missing; run again it changes nothing.

    Example: globalmart migrate
    """
    from app.postgres.migrate import migrate as apply_migrations
    from app.settings import load_settings

    asyncio.run(apply_migrations(load_settings().postgres))
    typer.echo("the schema is up to date")
