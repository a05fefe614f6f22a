"""Restores a backup into empty stores and compares the result with the backup's checksums."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import asyncpg

from app.errors import BackupError
from app.ops.backup import mongo_files
from app.ops.backup.backup import MONGO_FOLDER, POSTGRES_FILE, read_manifest, server_major
from app.ops.backup.checksums import checksums, differences, from_plain, tables
from app.ops.backup.pg_tools import program, run
from app.postgres.connections import connect_owner
from app.postgres.migrate import ensure_roles, migrate
from app.settings import PostgresSettings, Settings

_WORKERS: Final = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE 'globalmart-worker%'"""
_DROP: Final = """
SELECT format('DROP %s IF EXISTS %I CASCADE', CASE relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END, relname)
FROM pg_class WHERE relnamespace = 'public'::REGNAMESPACE AND relkind IN ('r', 'v')
UNION ALL
SELECT format('DROP FUNCTION IF EXISTS %s CASCADE', oid::REGPROCEDURE)
FROM pg_proc WHERE pronamespace = 'public'::REGNAMESPACE"""
Report = Callable[[str], None]


async def restore(
    settings: Settings, folder: Path, *, mongo: bool, replace: bool = False, report: Report = lambda _: None
) -> None:
    """Restores, compares, then migrates and sets the roles' passwords.

    Raises BackupError if a target is not empty and may not be replaced, while workers are connected, and if the
    restored content differs from the backup.
    """
    content = read_manifest(folder)
    if mongo and "mongo" not in content:
        raise BackupError(f"{folder} has no MongoDB data; exclude MongoDB with --no-mongo")
    if mongo:
        with mongo_files.open_raw(settings.mongo) as database:
            _require_empty(any(p.rows for p in mongo_files.read(database).values()), "MongoDB", replace)
    report("PostgreSQL")
    await _restore_postgres(settings.postgres, folder, content["postgres"], replace)
    if mongo:
        report("MongoDB")
        _restore_mongo(settings, folder, content["mongo"])
    await migrate(settings.postgres)


def _require_empty(content: object, store: str, replace: bool) -> None:
    if content and not replace:
        raise BackupError(f"the {store} database is not empty; --replace deletes its content")


async def _restore_postgres(settings: PostgresSettings, folder: Path, content: dict[str, Any], replace: bool) -> None:
    connection = await connect_owner(settings, "globalmart-restore")
    try:
        if await connection.fetchval(_WORKERS):
            raise BackupError("workers are connected to this database: stop them, then try again")
        _require_empty(await tables(connection), "PostgreSQL", replace)
        await ensure_roles(connection)
        await _empty(connection)
        major = await server_major(connection)
        run(
            [
                program("pg_restore", major, settings),
                "--no-owner",
                "--single-transaction",
                "--exit-on-error",
                "--no-password",
                f"--dbname={settings.database}",
                folder / POSTGRES_FILE,
            ],
            settings,
        )
        found = await checksums(connection)
        _require_same("PostgreSQL", differences(from_plain(content["tables"]), found))
        await connection.execute("ANALYZE")
    finally:
        await connection.close()


async def _empty(connection: asyncpg.Connection) -> None:
    async with connection.transaction():
        for (statement,) in await connection.fetch(_DROP):
            await connection.execute(statement)


def _restore_mongo(settings: Settings, folder: Path, content: dict[str, Any]) -> None:
    with mongo_files.open_raw(settings.mongo) as database:
        mongo_files.drop_all(database)
        mongo_files.load(database, folder / MONGO_FOLDER)
        found = mongo_files.read(database)
    _require_same("MongoDB", differences(from_plain(content), found))


def _require_same(store: str, different: list[str]) -> None:
    if different:
        raise BackupError(f"{store} was restored and differs from the backup: {'; '.join(different)}")
