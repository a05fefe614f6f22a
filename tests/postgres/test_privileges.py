"""Every relation of the schema and what each role may do to it; a new table fails until it is entered here."""

from typing import Final, NamedTuple

import asyncpg
import pytest

from app.postgres.connections import connect_desk
from tests.support.databases import Database


class Rights(NamedTuple):
    """What the worker may do in addition to SELECT, and the columns it may UPDATE.

    The reader may only SELECT, and not what is SECRET.
    """

    worker: frozenset[str] = frozenset()
    columns: frozenset[str] = frozenset()


_READ: Final = Rights()
_ADD: Final = Rights(frozenset({"INSERT"}))
_ADD_AND_PLACE: Final = Rights(frozenset({"INSERT"}), frozenset({"position"}))
_UPSERT: Final = Rights(frozenset({"INSERT", "UPDATE"}))
_FLEETING: Final = Rights(frozenset({"INSERT", "UPDATE", "DELETE"}))

RIGHTS: Final = {
    "cart_events": _ADD,
    "case_events": _READ,
    "cases": _ADD_AND_PLACE,
    "dead_letter_replays": _UPSERT,
    "dead_letters": _ADD_AND_PLACE,
    "erased_users": _READ,
    "erasure_key": _READ,
    "fraud_editions": _READ,
    "fraud_labels": _READ,
    "fraud_list_entries": _READ,
    "fraud_lists": _READ,
    "fraud_rules": _READ,
    "judged_from": _ADD,
    "order_labels": _READ,
    "outbox_progress": Rights(frozenset({"UPDATE"})),
    "product_views": _ADD,
    "retention_progress": _READ,
    "revenue_daily": _UPSERT,
    "revenue_hourly": _UPSERT,
    "revenue_minutely": _UPSERT,
    "sales_daily": _UPSERT,
    "sales_weekly": _UPSERT,
    "sales_hourly": _UPSERT,
    "sales_metrics": _READ,
    "sales_panes": _UPSERT,
    "schema_version": _READ,
    "shadow_anomalies": _ADD,
    "stream_progress": _UPSERT,
    "stream_source": _ADD,
    "stream_windows": _READ,
    "system_metrics": _ADD,
    "transaction_anomalies": _ADD_AND_PLACE,
    "transactions": _ADD,
    "verdicts": _ADD,
    "webhook_progress": Rights(frozenset({"UPDATE"})),
    "worker_heartbeats": _FLEETING,
}
_TABLE: Final = """
SELECT c.relname, p FROM pg_class c, unnest($2::TEXT[]) p
WHERE c.relnamespace = 'public'::REGNAMESPACE AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
  AND has_table_privilege($1, c.oid, p)"""
_COLUMN: Final = """
SELECT c.relname, a.attname, p FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid,
    unnest('{SELECT,INSERT,UPDATE,REFERENCES}'::TEXT[]) p
WHERE c.relnamespace = 'public'::REGNAMESPACE AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
  AND a.attnum > 0 AND NOT a.attisdropped
  AND has_column_privilege($1, c.oid, a.attnum, p) AND NOT has_table_privilege($1, c.oid, p)"""
#: What the desk may do in addition to the reader; of `cases` it may update the columns of _DESK_COLUMNS.
_DESK_ADDS: Final = frozenset(
    {"case_events", "fraud_editions", "fraud_labels", "fraud_list_entries", "fraud_lists", "fraud_rules"}
)
_DESK_COLUMNS: Final = frozenset({"assignee", "closed_at", "status", "version"})
#: Of no concern to those who only read: the key tells who was erased.
SECRET: Final = frozenset({"erasure_key", "erased_users"})
_RELATIONS: Final = """
SELECT relname FROM pg_class
WHERE relnamespace = 'public'::REGNAMESPACE AND relkind IN ('r', 'p', 'v', 'm', 'f')"""
_KINDS: Final = ["SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"]


async def test_every_relation_is_entered(database: Database) -> None:
    assert {row["relname"] for row in await database.fetch(_RELATIONS)} == set(RIGHTS)


async def test_postgresql_grants_exactly_these(database: Database) -> None:
    for user, is_worker in ((database.postgres.worker_user, True), (database.postgres.reader_user, False)):
        tables = {tuple(row) for row in await database.fetch(_TABLE, user, _KINDS)}
        columns = {tuple(row) for row in await database.fetch(_COLUMN, user)}
        assert tables == {(name, kind) for name, rights in RIGHTS.items() for kind in _granted(name, rights, is_worker)}
        assert columns == {
            (name, column, "UPDATE")
            for name, rights in RIGHTS.items()
            for column in (rights.columns if is_worker else set())
        }


async def test_the_desk_adds_and_changes_nothing_else(database: Database) -> None:
    user = database.postgres.desk_user
    tables = {tuple(row) for row in await database.fetch(_TABLE, user, _KINDS)}
    columns = {tuple(row) for row in await database.fetch(_COLUMN, user)}
    assert tables == {(name, "SELECT") for name in RIGHTS.keys() - SECRET} | {(name, "INSERT") for name in _DESK_ADDS}
    assert columns == {("cases", column, "UPDATE") for column in _DESK_COLUMNS}
    desk = await connect_desk(database.postgres, "test")
    await _refused(desk, "UPDATE fraud_rules SET version = 7")
    await _refused(desk, "DELETE FROM fraud_labels")
    await _refused(desk, "UPDATE cases SET amount = 0")
    await _refused(desk, "INSERT INTO judged_from DEFAULT VALUES")
    await desk.close()


def _granted(table: str, rights: Rights, is_worker: bool) -> frozenset[str]:
    if is_worker:
        return rights.worker | {"SELECT"}
    return frozenset() if table in SECRET else frozenset({"SELECT"})


async def test_whatever_is_not_granted_is_refused(database: Database) -> None:
    """The view is left out: it cannot be written at all, which PostgreSQL says before it looks at rights."""
    columns = await database.fetch(
        "SELECT table_name, column_name FROM information_schema.columns JOIN pg_tables "
        "ON tablename = table_name AND schemaname = table_schema WHERE table_schema = 'public'"
    )
    async with database.worker() as worker, database.reader() as reader:
        for connection, is_worker in ((worker, True), (reader, False)):
            await _refused(connection, "CREATE TABLE more (id INTEGER)")
            for table, column in columns:
                rights = RIGHTS[table] if is_worker else _READ
                for statement in _forbidden(table, column, rights):
                    await _refused(connection, statement)


def _forbidden(table: str, column: str, rights: Rights) -> list[str]:
    attempts = {
        "INSERT": f"INSERT INTO {table} DEFAULT VALUES",
        "DELETE": f"DELETE FROM {table}",
        "TRUNCATE": f"TRUNCATE {table}",
    }
    if column not in rights.columns:
        attempts["UPDATE"] = f"UPDATE {table} SET {column} = DEFAULT"
    return [statement for kind, statement in attempts.items() if kind not in rights.worker]


async def _refused(connection: asyncpg.Connection, statement: str) -> None:
    """Refused with 42501, and nothing else."""
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute(statement)
