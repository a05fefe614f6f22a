"""What each role may do: the worker adds, reader and auditor read, only the owner deletes."""

import asyncpg
import pytest

from app.postgres.connections import connect_auditor
from tests.support.databases import Database

ROWS = ("transactions", "product_views", "cart_events", "system_metrics")
KEPT = (*ROWS, "transaction_anomalies", "dead_letters")
ROLLUPS = ("sales_hourly", "sales_daily", "sales_weekly", "revenue_minutely", "revenue_hourly", "revenue_daily")
#: Only the owner erases.
OF_ERASURES = ("erasure_key", "erased_users")
SUMS = ("stream_progress", "sales_panes", *ROLLUPS)
#: What the fraud desk decides, and what follows from it.
RULES = ("fraud_editions", "fraud_rules", "fraud_lists", "fraud_list_entries", "judged_from")
CASES = ("verdicts", "shadow_anomalies", "cases", "case_events", "fraud_labels", "webhook_progress")
PROGRESS = ("outbox_progress", "stream_source", "stream_windows", "schema_version")
ALL = (*KEPT, *SUMS, *OF_ERASURES, *RULES, *CASES, *PROGRESS)
#: Of no worth once their worker is gone.
FLEETING = ("worker_heartbeats",)
#: The owner's own records of restored and deleted rows.
OPERATING = ("dead_letter_replays", "retention_progress")


async def _refused(connection: asyncpg.Connection, statement: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute(statement)


async def test_the_tables_are_these(database: Database) -> None:
    rows = await database.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    assert sorted(row["tablename"] for row in rows) == sorted([*ALL, *FLEETING, *OPERATING])


async def test_the_worker_deletes_nothing(database: Database) -> None:
    async with database.worker() as worker:
        for table in ALL:
            await _refused(worker, f"TRUNCATE {table}")
            await _refused(worker, f"DELETE FROM {table}")
            await _refused(worker, f"ALTER TABLE {table} ADD COLUMN more INTEGER")
            await _refused(worker, f"DROP TABLE {table}")
        for table in FLEETING:
            await _refused(worker, f"TRUNCATE {table}")
            await _refused(worker, f"DROP TABLE {table}")
        for table in ROWS:
            await _refused(worker, f"UPDATE {table} SET source_offset = 0")
        await _refused(worker, "UPDATE transaction_anomalies SET amount = 0")
        await _refused(worker, "UPDATE dead_letters SET value = NULL")
        for table in RULES[:4]:
            await _refused(worker, f"INSERT INTO {table} DEFAULT VALUES")
        await _refused(worker, "UPDATE cases SET status = 'dismissed'")
        await _refused(worker, "INSERT INTO fraud_labels DEFAULT VALUES")
        await _refused(worker, "UPDATE stream_source SET cluster_id = 'x'")
        await _refused(worker, "UPDATE stream_windows SET step_seconds = 1")
        await _refused(worker, "INSERT INTO schema_version VALUES (99, 'x', 'x')")
        await _refused(worker, "CREATE TABLE more (id INTEGER)")


async def test_the_reader_only_reads(database: Database) -> None:
    async with database.reader() as reader:
        for secret in OF_ERASURES:
            await _refused(reader, f"SELECT * FROM {secret} LIMIT 1")
        for relation in {*ALL, *FLEETING, "sales_metrics"} - {*OF_ERASURES}:
            assert await reader.fetch(f"SELECT * FROM {relation} LIMIT 1") is not None
        for table in (*ALL, *FLEETING):
            await _refused(reader, f"INSERT INTO {table} DEFAULT VALUES")
            await _refused(reader, f"SELECT * FROM {table} FOR UPDATE")
            await _refused(reader, f"DELETE FROM {table}")
            await _refused(reader, f"TRUNCATE {table}")
        await _refused(reader, "CREATE TABLE more (id INTEGER)")


async def test_a_workers_transaction_may_not_last_for_ever(database: Database) -> None:
    """From PostgreSQL 17 on; the embedded one is newer."""
    async with database.worker() as connection:
        assert await connection.fetchval("SHOW transaction_timeout") == "1min"


async def test_the_reader_changes_nothing_that_exists(database: Database) -> None:
    columns = {
        row["table_name"]: row["column_name"]
        for row in await database.fetch(
            "SELECT table_name, min(column_name) AS column_name FROM information_schema.columns "
            "WHERE table_schema = 'public' AND is_identity = 'NO' GROUP BY 1"
        )
    }
    async with database.reader() as reader:
        for table in ALL:
            await _refused(reader, f"UPDATE {table} SET {columns[table]} = {columns[table]}")
            await _refused(reader, f"ALTER TABLE {table} ADD COLUMN more INTEGER")
            await _refused(reader, f"DROP TABLE {table}")


async def test_neither_becomes_somebody_else(database: Database) -> None:
    owner = database.postgres.owner_user
    async with database.worker() as worker, database.reader() as reader:
        for connection in (worker, reader):
            await _refused(connection, f"SET ROLE {owner}")
            await _refused(connection, "CREATE ROLE more")
            await _refused(connection, f"ALTER ROLE {owner} PASSWORD 'x'")
            await _refused(connection, f"GRANT {owner} TO CURRENT_USER")
            await _refused(connection, "COPY transactions TO PROGRAM 'true'")
            await _refused(connection, "SELECT pg_read_file('PG_VERSION')")


async def test_the_auditor_writes_nothing_of_what_the_worker_may(database: Database) -> None:
    auditor = await connect_auditor(database.postgres, "test")
    try:
        for relation in (*ALL, *FLEETING, *OPERATING, "sales_metrics"):
            assert await auditor.fetch(f"SELECT * FROM {relation} LIMIT 1") is not None
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await auditor.execute("INSERT INTO stream_source (cluster_id) VALUES ('x')")
        idle = await auditor.fetchval("SHOW idle_in_transaction_session_timeout")
        assert idle == "0", "a recount reads Kafka in between"
    finally:
        await auditor.close()


async def test_the_owner_may_truncate(database: Database) -> None:
    async with database.owner() as owner:
        for table in ALL:
            await owner.execute(f"TRUNCATE {table} CASCADE")
