"""Migrations: once, in order, by one at a time, and never over an edited or newer history."""

import asyncio

import asyncpg
import pytest

from app.errors import SchemaError, SettingsError
from app.postgres.connections import connect_worker
from app.postgres.migrate import MIGRATIONS, known_migrations, migrate, require_schema
from tests.support.databases import Database

VERSIONS = [migration.version for migration in known_migrations()]
NEWEST = VERSIONS[-1]


def test_versions_rise_from_one_and_every_file_is_known() -> None:
    assert VERSIONS[0] == 1
    assert sorted(set(VERSIONS)) == VERSIONS
    assert len(list(MIGRATIONS.iterdir())) == len(VERSIONS)


async def test_migrating_twice_does_nothing_the_second_time(blank_database: Database) -> None:
    applied = await migrate(blank_database.postgres)
    assert [migration.version for migration in applied] == VERSIONS
    assert await migrate(blank_database.postgres) == []
    async with blank_database.worker() as connection:
        await require_schema(connection)


async def test_concurrent_migrations_take_turns(blank_database: Database) -> None:
    applied = await asyncio.gather(*(migrate(blank_database.postgres) for _ in range(3)))
    assert sorted(map(len, applied)) == [0, 0, len(VERSIONS)]


async def test_an_edited_file_is_refused(database: Database) -> None:
    async with database.owner() as owner:
        await owner.execute("UPDATE schema_version SET checksum = 'other' WHERE version = 1")
    with pytest.raises(SchemaError, match="edited after they were applied: spine"):
        await migrate(database.postgres)


async def test_a_newer_database_is_refused(database: Database) -> None:
    async with database.owner() as owner:
        await owner.execute(
            "INSERT INTO schema_version (version, name, checksum) VALUES ($1, 'later', 'x')", NEWEST + 1
        )
        with pytest.raises(SchemaError, match=f"version {NEWEST + 1}"):
            await require_schema(owner)
    with pytest.raises(SchemaError, match="newer than this program"):
        await migrate(database.postgres)


async def test_a_skipped_migration_is_missed_and_applied_late(database: Database) -> None:
    async with database.owner() as owner:
        await owner.execute("DROP TABLE revenue_minutely, revenue_hourly, revenue_daily")
        await owner.execute("DROP INDEX idx_sales_daily_category")
        await owner.execute("DELETE FROM schema_version WHERE version = 2")
        with pytest.raises(SchemaError, match="without 2"):
            await require_schema(owner)
        assert [m.version for m in await migrate(database.postgres)] == [2]
        await require_schema(owner)


async def test_anomalies_of_before_the_desk_have_their_rules_severity(
    blank_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is computed once; afterwards the column is a plain one that the sink fills."""
    names = (
        "transaction_id, user_id, amount, anomaly_score, anomaly_type, detected_at, description, event_time, threshold"
    )
    insert = f"INSERT INTO transaction_anomalies ({names}) SELECT $1 || n, 'ada', 9, 1, $1, now(), '', now(), 1 FROM "
    with monkeypatch.context() as before_the_desk:
        before_the_desk.setattr(
            "app.postgres.migrate.known_migrations", lambda: [m for m in known_migrations() if m.version < 9]
        )
        before_the_desk.setattr("app.postgres.migrate.ensure_first_edition", _nothing)
        before_the_desk.setattr("app.postgres.migrate._set_login", _nothing)
        await migrate(blank_database.postgres)
    async with blank_database.owner() as owner:
        for kind in ("high_value", "rapid_transactions"):
            await owner.execute(insert + "generate_series(1, 3) AS n", kind)
        await migrate(blank_database.postgres)
        await owner.execute(
            "UPDATE transaction_anomalies SET anomaly_type = 'mine' WHERE transaction_id = 'high_value1'"
        )
        await owner.execute(insert + "generate_series(4, 4) AS n", "high_value")
        found = await owner.fetch(
            "SELECT rule_id, severity, rule_version, count(*) FROM transaction_anomalies GROUP BY 1, 2, 3 ORDER BY 1, 2"
        )
    assert [tuple(row) for row in found] == [
        ("high_value", "high", 1, 2),
        ("high_value", "medium", 1, 1),
        ("mine", "high", 1, 1),
        ("rapid_transactions", "medium", 1, 3),
    ]


async def _nothing(*_: object) -> None:
    """In place of what came with the desk."""


async def test_nothing_is_migrated_under_running_workers(database: Database) -> None:
    worker = await connect_worker(database.postgres, "globalmart-worker transactions")
    async with database.owner() as owner:
        await owner.execute("DROP TABLE sales_weekly")
        await owner.execute("DELETE FROM schema_version WHERE version = 6")
    with pytest.raises(SchemaError, match="stop them"):
        await migrate(database.postgres)
    await worker.close()
    assert [m.version for m in await migrate(database.postgres)] == [6]


async def test_an_empty_database_is_not_for_a_worker(blank_database: Database) -> None:
    async with blank_database.owner() as owner:
        with pytest.raises(SchemaError, match="globalmart migrate"):
            await require_schema(owner)


async def test_a_missing_password_names_its_variable(database: Database) -> None:
    without = database.postgres.model_copy(update={"worker_password": None})
    with pytest.raises(SettingsError, match="GLOBALMART_POSTGRES_WORKER_PASSWORD"):
        await connect_worker(without, "test")


async def test_logins_of_other_names_become_members(blank_database: Database) -> None:
    other = blank_database.postgres.model_copy(update={"worker_user": "shop worker"})
    await migrate(other)
    await migrate(other)
    connection: asyncpg.Connection = await connect_worker(other, "test")
    try:
        assert await connection.fetchval("SELECT current_user::TEXT") == "shop worker"
        await connection.execute("INSERT INTO stream_source (cluster_id) VALUES ('c')")
    finally:
        await connection.close()
