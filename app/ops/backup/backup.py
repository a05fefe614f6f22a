"""Makes backups with a manifest of their content, with which a restore is compared.

PostgreSQL is dumped from one exported snapshot, and its checksums are computed from the same one, while workers run.
MongoDB has no snapshot over collections, so the batch is locked out meanwhile: nothing else writes there.
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import asyncpg

from app.errors import BackupError, text_of
from app.ops.backup import mongo_files
from app.ops.backup.checksums import Checksum, checksums, differences, from_plain, tables
from app.ops.backup.pg_tools import program, run
from app.postgres.connections import connect_owner
from app.postgres.migrate import ensure_roles, migrate, require_schema
from app.settings import PostgresSettings, Settings
from batch.adbc import batch_lock

MANIFEST: Final = "manifest.json"
POSTGRES_FILE: Final = "postgres.dump"
MONGO_FOLDER: Final = "mongo"
Report = Callable[[str], None]
_WORKERS: Final = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE 'globalmart-worker%'"""
_DROP: Final = """
SELECT format('DROP %s IF EXISTS %I CASCADE', CASE relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END, relname)
FROM pg_class WHERE relnamespace = 'public'::REGNAMESPACE AND relkind IN ('r', 'v')
UNION ALL
SELECT format('DROP FUNCTION IF EXISTS %s CASCADE', oid::REGPROCEDURE)
FROM pg_proc WHERE pronamespace = 'public'::REGNAMESPACE"""


async def backup(settings: Settings, parent: Path, *, mongo: bool, report: Report = lambda _: None) -> Path:
    """Makes a backup in a new folder below `parent` and returns that folder.

    The folder is renamed at the end: one that ends in `.partial` was left by a killed run.
    """
    name = f"globalmart-{datetime.now(UTC):%Y%m%dT%H%M%S}Z"
    draft = parent / f"{name}.partial"
    draft.mkdir(parents=True, mode=0o700)
    try:
        content: dict[str, Any] = {"made_at": datetime.now(UTC).isoformat()}
        report("PostgreSQL")
        content["postgres"] = await _dump_postgres(settings.postgres, draft / POSTGRES_FILE)
        if mongo:
            report("MongoDB")
            with batch_lock(settings.postgres), mongo_files.open_raw(settings.mongo) as database:
                content["mongo"] = _plain(mongo_files.dump(database, draft / MONGO_FOLDER))
        (draft / MANIFEST).write_text(json.dumps(content, indent=1), encoding="utf-8")
    except BaseException:
        shutil.rmtree(draft)
        raise
    return draft.rename(parent / name)


def read_manifest(folder: Path) -> dict[str, Any]:
    """Reads the manifest of a backup; raises BackupError if there is none."""
    try:
        content: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BackupError(f"{folder} is no backup of this program: {text_of(error)}") from error
    return content


async def server_major(connection: asyncpg.Connection) -> int:
    """Returns the server's major version."""
    return int(await connection.fetchval("SHOW server_version_num")) // 10_000


async def _dump_postgres(settings: PostgresSettings, file: Path) -> dict[str, Any]:
    connection = await connect_owner(settings, "globalmart-backup")
    try:
        await require_schema(connection)
        major = await server_major(connection)
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            snapshot = await connection.fetchval("SELECT pg_export_snapshot()")
            run(
                [
                    program("pg_dump", major, settings),
                    "--format=custom",
                    f"--snapshot={snapshot}",
                    f"--file={file}",
                    "--no-password",
                    settings.database,
                ],
                settings,
            )
            ledger = await connection.fetch("SELECT topic, partition, next_offset FROM stream_progress ORDER BY 1, 2")
            versions = await connection.fetch("SELECT version FROM schema_version ORDER BY 1")
            return {
                "server_major": major,
                "schema_versions": [row[0] for row in versions],
                "ledger": {f"{row[0]}[{row[1]}]": row[2] for row in ledger},
                "tables": _plain(await checksums(connection)),
            }
    finally:
        await connection.close()


def _plain(found: dict[str, Checksum]) -> dict[str, Any]:
    return {name: asdict(one) for name, one in found.items()}


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
