"""Checks the roles' privileges: the reader reads all but secrets, the worker writes, and neither deletes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import asyncpg

from app.ops.doctor.findings import Finding
from app.settings import PostgresSettings

_AREA: Final = "PostgreSQL"
_SELECT: Final = """
SELECT c.relname AS table_name, r.rolname AS role_name, r.rolsuper,
       has_table_privilege(r.oid, c.oid, 'SELECT') AS reads,
       has_table_privilege(r.oid, c.oid, 'INSERT') AS inserts,
       has_table_privilege(r.oid, c.oid, 'UPDATE') AS updates,
       has_table_privilege(r.oid, c.oid, 'DELETE, TRUNCATE') AS removes
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace CROSS JOIN pg_roles r
WHERE n.nspname = 'public' AND c.relkind IN ('r', 'v', 'p') AND r.rolname = ANY($1::text[])
ORDER BY c.relname, r.rolname"""

#: Without these a worker cannot work: one table of each kind.
_INSERTED: Final = frozenset({"transactions", "stream_progress", "sales_panes", "dead_letters"})
_UPDATED: Final = frozenset({"stream_progress", "sales_panes"})
#: With these a user id can be tested for being erased.
_SECRET: Final = frozenset({"erasure_key", "erased_users"})
#: A worker deletes its own heartbeat when it stops.
_DELETABLE: Final = frozenset({"worker_heartbeats"})


@dataclass(frozen=True, slots=True)
class Privilege:
    """The privileges of one role on one table or view."""

    table: str
    role: str
    superuser: bool
    reads: bool
    inserts: bool
    updates: bool
    removes: bool


async def read_privileges(connection: asyncpg.Connection, settings: PostgresSettings) -> tuple[Privilege, ...]:
    """Reads the privileges of worker and reader on everything in the schema; any role may do this."""
    rows = await connection.fetch(_SELECT, [settings.worker_user, settings.reader_user])
    return tuple(Privilege(*row.values()) for row in rows)


def check_privileges(privileges: Sequence[Privilege], settings: PostgresSettings) -> Iterator[Finding]:
    """Finds roles that are missing or have too few or too many privileges."""
    for user in (settings.worker_user, settings.reader_user):
        own = [privilege for privilege in privileges if privilege.role == user]
        if not own:
            yield Finding(_AREA, f"the role {user} does not exist", "run `globalmart migrate`")
        elif own[0].superuser:
            yield Finding(_AREA, f"{user} is a superuser", f"ALTER ROLE {user} NOSUPERUSER")
        else:
            yield from _check_role(user, own, is_reader=user == settings.reader_user)


def _check_role(user: str, own: Sequence[Privilege], *, is_reader: bool) -> Iterator[Finding]:
    hidden = _SECRET if is_reader else frozenset()
    unread = [p.table for p in own if not p.reads and p.table not in hidden]
    writers = [] if is_reader else own
    uninserted = [p.table for p in writers if p.table in _INSERTED and not p.inserts]
    unchanged = [p.table for p in writers if p.table in _UPDATED and not p.updates]
    for names, verb in ((unread, "read"), (uninserted, "insert into"), (unchanged, "update")):
        if names:
            yield Finding(
                _AREA, f"{user} may not {verb} {', '.join(names)}", "grant it again as app/postgres/migrations does"
            )
    shown = [p.table for p in own if p.reads and p.table in hidden]
    written = [p.table for p in own if is_reader and (p.inserts or p.updates)]
    removed = [p.table for p in own if p.removes and (is_reader or p.table not in _DELETABLE)]
    for names, verb, right in (
        (shown, "read", "SELECT"),
        (written, "write", "INSERT, UPDATE"),
        (removed, "delete from", "DELETE, TRUNCATE"),
    ):
        if names:
            yield Finding(
                _AREA, f"{user} may {verb} {', '.join(names)}", f"REVOKE {right} ON {', '.join(names)} FROM {user}"
            )
