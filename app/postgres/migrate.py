"""Migrations: plain SQL files `NNNN_name.sql`, applied in order, once, each with its version in one transaction."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import asyncpg
from pydantic import SecretStr

from app.errors import SchemaError
from app.fraud.editions import ensure_first_edition
from app.postgres.connections import connect_owner
from app.settings import AnomalySettings, PostgresSettings

MIGRATIONS: Final = Path(__file__).with_name("migrations")

_ADVISORY_LOCK: Final = 7_116_021_903  # any constant; a second migration waits for the first
WORKERS: Final = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE 'globalmart-worker%'"""
_CREATE_VERSIONS: Final = """
CREATE TABLE IF NOT EXISTS schema_version (
    version    INTEGER PRIMARY KEY,
    name       TEXT NOT NULL,
    checksum   TEXT NOT NULL,
    applied_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP
)"""


@dataclass(frozen=True, slots=True)
class Migration:
    """A migration file: its number, its name and its text."""

    version: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """Checksum of the text: an applied migration must never be edited."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def known_migrations(folder: Path = MIGRATIONS) -> list[Migration]:
    """Returns all migration files, in order."""
    return [
        Migration(int(path.stem.split("_", 1)[0]), path.stem.split("_", 1)[1], path.read_text())
        for path in sorted(folder.glob("[0-9]*.sql"))
    ]


async def migrate(settings: PostgresSettings, thresholds: AnomalySettings | None = None) -> list[Migration]:
    """Migrates the database to the newest version and sets the roles' passwords; returns the applied migrations.

    A database without rules gets the guide's, with these thresholds or the standard ones. Raises SchemaError when the
    database is newer than this program, an applied file was edited, or workers are connected, which would continue to
    write for the old schema.
    """
    connection = await connect_owner(settings)
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", _ADVISORY_LOCK)
        await connection.execute(_CREATE_VERSIONS)
        applied = await _apply(connection, known_migrations())
        await ensure_first_edition(connection, thresholds or AnomalySettings())
        await _set_login(connection, settings.worker_user, "globalmart_worker", settings.worker_password)
        await _set_login(connection, settings.reader_user, "globalmart_reader", settings.reader_password)
        await _set_login(connection, settings.desk_user, "globalmart_desk", settings.desk_password)
        return applied
    finally:
        await connection.close()


async def ensure_roles(connection: asyncpg.Connection) -> None:
    """Creates the schema's roles if this server does not have them: a restored schema grants to them."""
    for role in ("globalmart_worker", "globalmart_reader", "globalmart_desk"):
        if not await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role):
            await connection.execute(f"CREATE ROLE {role} NOLOGIN")
    await connection.execute("ALTER ROLE globalmart_worker SET idle_in_transaction_session_timeout = '5s'")


async def require_schema(connection: asyncpg.Connection) -> None:
    """Raises SchemaError unless the database has exactly this program's migrations."""
    wanted = [migration.version for migration in known_migrations()]
    present = await connection.fetchval("SELECT to_regclass('schema_version') IS NOT NULL")
    found: list[int] = []
    if present:
        rows = await connection.fetch("SELECT version FROM schema_version ORDER BY version")
        found = [row["version"] for row in rows]
    if found != wanted:
        missing = ", ".join(str(version) for version in wanted if version not in found)
        gap = f" without {missing}" if missing and found else ""
        raise SchemaError(
            f"the database is at schema version {max(found, default=0)}{gap}, this program needs {wanted[-1]}: "
            "run `globalmart migrate` of the newer of the two"
        )


async def _apply(connection: asyncpg.Connection, known: Sequence[Migration]) -> list[Migration]:
    rows = await connection.fetch("SELECT version, checksum FROM schema_version ORDER BY version")
    done = {row["version"]: row["checksum"] for row in rows}
    if done and max(done) > known[-1].version:
        raise SchemaError(
            f"the database is at schema version {max(done)}, newer than this program's {known[-1].version}: upgrade"
        )
    edited = [m.name for m in known if m.version in done and done[m.version] != m.checksum]
    if edited:
        raise SchemaError(f"migrations were edited after they were applied: {', '.join(edited)}")
    pending = [migration for migration in known if migration.version not in done]
    if done and pending and await connection.fetchval(WORKERS):
        raise SchemaError("workers are connected to this database: stop them, then migrate again")
    for migration in pending:
        await _apply_one(connection, migration)
    return pending


async def _apply_one(connection: asyncpg.Connection, migration: Migration) -> None:
    async with connection.transaction():
        await connection.execute(migration.sql)
        await connection.execute(
            "INSERT INTO schema_version (version, name, checksum) VALUES ($1, $2, $3)",
            migration.version,
            migration.name,
            migration.checksum,
        )


async def _set_login(connection: asyncpg.Connection, user: str, group: str, password: SecretStr | None) -> None:
    """Allows a role to log in with its password; a login role other than the schema's own becomes its member."""
    if password is None:
        return
    quoted = await connection.fetchval("SELECT quote_ident($1)", user)
    secret = await connection.fetchval("SELECT quote_literal($1)", password.get_secret_value())
    if user != group:
        exists = await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", user)
        if not exists:
            await connection.execute(f"CREATE ROLE {quoted} IN ROLE {group}")
        await connection.execute(f"ALTER ROLE {quoted} SET idle_in_transaction_session_timeout = '5s'")
    await connection.execute(f"ALTER ROLE {quoted} LOGIN PASSWORD {secret}")
