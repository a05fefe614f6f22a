"""The checks of PostgreSQL by `globalmart doctor`: the login of each role, then the schema."""

import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import asyncpg

from app.errors import SettingsError
from app.fraud.rulebook import Rulebook
from app.kafka.offsets import RecordPosition
from app.ops.doctor.findings import Finding, from_error
from app.ops.doctor.rule_checks import check_retention, check_thresholds, read_rulebook
from app.ops.status.postgres_state import Waiting, read_waiting
from app.postgres.connections import connect_desk, connect_owner, connect_reader, connect_worker, translate_errors
from app.postgres.migrate import known_migrations
from app.settings import PostgresSettings, Settings

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
#: What the desk adds to; of `cases` it updates some columns.
_DESK_ADDS: Final = frozenset(
    {"case_events", "fraud_editions", "fraud_labels", "fraud_list_entries", "fraud_lists", "fraud_rules"}
)
_OLDEST_VERSION: Final = 15
_CLOCK_SECONDS: Final = 5.0
_COPY_SECONDS: Final = 60.0
Connect = Callable[[PostgresSettings, str], Awaitable[asyncpg.Connection]]


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


@dataclass(frozen=True, slots=True)
class _Role:
    """What a role must insert into and update, must not read, and at most may write (None: not checked) and delete."""

    inserted: frozenset[str] = frozenset()
    updated: frozenset[str] = frozenset()
    hidden: frozenset[str] = frozenset()
    writable: frozenset[str] | None = frozenset()
    deletable: frozenset[str] = frozenset()


_WORKER: Final = _Role(_INSERTED, _UPDATED, writable=None, deletable=_DELETABLE)
_READER: Final = _Role(hidden=_SECRET)
#: In addition to what it inherits from the reader.
_DESK: Final = _Role(_DESK_ADDS, writable=_DESK_ADDS)


async def read_privileges(connection: asyncpg.Connection, settings: PostgresSettings) -> tuple[Privilege, ...]:
    """Reads the privileges of worker, reader and desk on everything in the schema; any role may do this."""
    rows = await connection.fetch(_SELECT, [settings.worker_user, settings.reader_user, settings.desk_user])
    return tuple(Privilege(*row.values()) for row in rows)


def check_privileges(privileges: Sequence[Privilege], settings: PostgresSettings) -> Iterator[Finding]:
    """Finds roles that are missing or have too few or too many privileges."""
    roles = {settings.worker_user: _WORKER, settings.reader_user: _READER, settings.desk_user: _DESK}
    for user, role in roles.items():
        own = [privilege for privilege in privileges if privilege.role == user]
        if role is _DESK:
            own = _not_inherited(own, {p.table: p for p in privileges if p.role == settings.reader_user})
        if not own:
            yield Finding(_AREA, f"the role {user} does not exist", "run `globalmart migrate`")
        elif own[0].superuser:
            yield Finding(_AREA, f"{user} is a superuser", f"ALTER ROLE {user} NOSUPERUSER")
        else:
            yield from _check_role(user, own, role)


def _not_inherited(own: Sequence[Privilege], readers: Mapping[str, Privilege]) -> list[Privilege]:
    """The desk's privileges without those that it has from the reader: what is wrong with them is said of that one."""
    return [
        replace(
            p,
            reads=p.reads or not readers[p.table].reads,
            inserts=p.inserts and (p.table in _DESK_ADDS or not readers[p.table].inserts),
            updates=p.updates and not readers[p.table].updates,
            removes=p.removes and not readers[p.table].removes,
        )
        for p in own
        if p.table in readers
    ]


def _check_role(user: str, own: Sequence[Privilege], role: _Role) -> Iterator[Finding]:
    unread = [p.table for p in own if not p.reads and p.table not in role.hidden]
    uninserted = [p.table for p in own if p.table in role.inserted and not p.inserts]
    unchanged = [p.table for p in own if p.table in role.updated and not p.updates]
    for names, verb in ((unread, "read"), (uninserted, "insert into"), (unchanged, "update")):
        if names:
            yield Finding(
                _AREA, f"{user} may not {verb} {', '.join(names)}", "grant it again as app/postgres/migrations does"
            )
    shown = [p.table for p in own if p.reads and p.table in role.hidden]
    written = [p.table for p in own if p.inserts or p.updates] if role.writable is not None else []
    written = [table for table in written if table not in (role.writable or ())]
    removed = [p.table for p in own if p.removes and p.table not in role.deletable]
    for names, verb, right in (
        (shown, "read", "SELECT"),
        (written, "write", "INSERT, UPDATE"),
        (removed, "delete from", "DELETE, TRUNCATE"),
    ):
        if names:
            yield Finding(
                _AREA, f"{user} may {verb} {', '.join(names)}", f"REVOKE {right} ON {', '.join(names)} FROM {user}"
            )


@dataclass(frozen=True, slots=True)
class Schema:
    """The database's state: checksums of migrations by version, (window, step) seconds, the ledger.

    `waiting` are rows without a copy, by topic; `rulebook` is None before the first edition.
    """

    applied: Mapping[int, str]
    windows: tuple[int, int]
    cluster_id: str | None
    offsets: Mapping[RecordPosition, int]
    privileges: tuple[Privilege, ...]
    waiting: Mapping[str, Waiting]
    rulebook: Rulebook | None


@dataclass(frozen=True, slots=True)
class PostgresState:
    """PostgreSQL's state: refused logins, major version, its clock minus this machine's in seconds.

    `schema` is None if no migration was ever applied. `version` is None if no role could log in.
    """

    refused: tuple[Finding, ...]
    version: int | None = None
    skew_seconds: float = 0.0
    schema: Schema | None = None


async def collect_postgres(settings: PostgresSettings) -> PostgresState:
    """Reads the state once, with every role. Raises StoreUnavailableError when the database does not answer."""
    refused: list[Finding] = []
    opened: list[asyncpg.Connection] = []
    try:
        # Without the desk's password the API only reads, which is nobody's mistake.
        desks = () if settings.desk_password is None else (connect_desk,)
        for connect in (_as_owner, connect_worker, connect_reader, *desks):
            try:
                with translate_errors(settings):
                    opened.append(await connect(settings, "globalmart-doctor"))
            except SettingsError as error:
                refused.append(from_error(_AREA, error))
        if not opened:
            return PostgresState(tuple(refused))
        with translate_errors(settings):
            return await _read_state(opened[0], settings, tuple(refused))
    finally:
        for connection in opened:
            await connection.close(timeout=5)


def check_postgres(state: PostgresState, settings: Settings) -> Iterator[Finding]:
    """Checks logins, version, clock, migrations, windows, privileges and the rules."""
    yield from state.refused
    if state.version is None:
        return
    if state.version < _OLDEST_VERSION:
        yield Finding(_AREA, f"version {state.version} is too old", f"upgrade to {_OLDEST_VERSION} or newer")
    if abs(state.skew_seconds) > _CLOCK_SECONDS:
        yield Finding(_AREA, f"its clock differs from this machine's by {state.skew_seconds:+.1f} s", "set both by NTP")
    if state.schema is None:
        yield Finding(_AREA, "the database has no schema", "run `globalmart migrate`")
        return
    yield from _check_migrations(state.schema.applied)
    yield from _check_windows(state.schema.windows, settings)
    yield from check_privileges(state.schema.privileges, settings.postgres)
    yield from _check_outbox(state.schema.waiting)
    if state.schema.rulebook is not None:
        yield from check_thresholds(state.schema.rulebook, settings.anomaly)
        yield from check_retention(state.schema.rulebook, settings.stream.retention_days)


async def _as_owner(settings: PostgresSettings, _: str) -> asyncpg.Connection:
    return await connect_owner(settings)


async def _read_state(
    connection: asyncpg.Connection, settings: PostgresSettings, refused: tuple[Finding, ...]
) -> PostgresState:
    before = time.time()
    theirs: datetime = await connection.fetchval("SELECT clock_timestamp()")
    ours = (before + time.time()) / 2
    migrated = await connection.fetchval("SELECT to_regclass('schema_version') IS NOT NULL")
    schema = await _read_schema(connection, settings) if migrated else None
    version = connection.get_server_version().major
    return PostgresState(refused, version, theirs.timestamp() - ours, schema)


async def _read_schema(connection: asyncpg.Connection, settings: PostgresSettings) -> Schema | None:
    applied = await connection.fetch("SELECT version, checksum FROM schema_version")
    if not applied:
        return None
    (windows,) = await connection.fetch("SELECT window_seconds, step_seconds FROM stream_windows")
    ledger = await connection.fetch("SELECT topic, partition, next_offset FROM stream_progress")
    return Schema(
        {row["version"]: row["checksum"] for row in applied},
        (windows["window_seconds"], windows["step_seconds"]),
        await connection.fetchval("SELECT cluster_id FROM stream_source"),
        {(row["topic"], row["partition"]): row["next_offset"] for row in ledger},
        await read_privileges(connection, settings),
        await read_waiting(connection),
        await read_rulebook(connection),
    )


def _check_migrations(applied: Mapping[int, str]) -> Iterator[Finding]:
    known = known_migrations()
    if max(applied) > known[-1].version:
        yield Finding(
            _AREA,
            f"the schema is at version {max(applied)}, this program has {known[-1].version}",
            "upgrade this program",
        )
    missing = [f"{m.version:04} {m.name}" for m in known if m.version not in applied]
    if missing:
        yield Finding(_AREA, f"migrations are missing: {', '.join(missing)}", "run `globalmart migrate`")
    edited = [m.name for m in known if applied.get(m.version, m.checksum) != m.checksum]
    if edited:
        yield Finding(
            _AREA,
            f"migrations were edited after they were applied: {', '.join(edited)}",
            "restore the files; a change is a new migration",
        )


def _check_outbox(waiting: Mapping[str, Waiting]) -> Iterator[Finding]:
    for topic, found in waiting.items():
        if found.rows and found.seconds > _COPY_SECONDS:
            yield Finding(
                _AREA,
                f"{found.rows:,} rows are not copied to the topic {topic}, the oldest for {found.seconds:.0f} s",
                "start a worker; if one runs, see Kafka's answers in its log",
            )


def _check_windows(stored: tuple[int, int], settings: Settings) -> Iterator[Finding]:
    wanted = (settings.stream.window_seconds, settings.stream.window_step_seconds)
    if stored != wanted:
        yield Finding(
            _AREA,
            f"its windows are {stored[0]} s every {stored[1]} s, the settings are {wanted[0]} s every {wanted[1]} s",
            "restore the settings, or stop the workers and run `globalmart migrate --rebuild-windows`",
        )
