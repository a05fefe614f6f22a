"""Connections to PostgreSQL, by role, with the time-outs that this system's guarantees need."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, Literal

import asyncpg
from pydantic import SecretStr

from app.errors import SettingsError, StoreUnavailableError, text_of
from app.security import client_context
from app.settings import PostgresSettings

#: Channel notified by the commit that makes new positions of anomalies visible.
ANOMALIES_NUMBERED: Final = "globalmart_anomalies"
#: What asyncpg raises when the server refuses, ends or loses a session; an internal error where it ended between two
#: statements and the end was only half read.
POSTGRES_FAILURES: Final = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
_Role = Literal["owner", "worker", "reader", "desk"]
_DAY_SECONDS: Final = 86_400.0
#: Limit of one statement of the desk, and of its wait for another change.
_DESK_SECONDS: Final = 15.0
#: The server detects a vanished peer within this time and releases its locks.
_TCP_SETTINGS: Final = {
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "8000",
}
#: Releases the locks of a worker that was stopped while active; older servers do not know the setting.
_FIRST_WITH_TRANSACTION_TIMEOUT: Final = (17,)


@contextmanager
def translate_errors(settings: PostgresSettings) -> Iterator[None]:
    """Raises StoreUnavailableError for the errors of a database that does not answer or has another schema."""
    place = f"PostgreSQL at {settings.host}:{settings.port}/{settings.database}"
    try:
        yield
    except asyncpg.UndefinedTableError as error:
        raise StoreUnavailableError(
            f"{place} does not have the schema ({text_of(error)}); run `globalmart migrate`"
        ) from error
    except asyncpg.InvalidCatalogNameError as error:
        variable = settings.variable("database")
        raise StoreUnavailableError(
            f"{place} does not exist ({text_of(error)}); create it or correct {variable}"
        ) from error
    except POSTGRES_FAILURES as error:
        raise StoreUnavailableError(
            f"{place} does not answer ({text_of(error)}); start it or correct GLOBALMART_POSTGRES_HOST and _PORT"
        ) from error


async def connect_owner(settings: PostgresSettings, application: str = "globalmart-migrate") -> asyncpg.Connection:
    """Connects as the owner of the schema, for migrations and maintenance: statements may take a day.

    Raises StoreUnavailableError at once when the database does not answer; commands with this role do not wait.
    """
    settings = settings.model_copy(update={"command_timeout_seconds": _DAY_SECONDS})
    with translate_errors(settings):
        return await _connect(settings, "owner", application, {})


async def connect_worker(settings: PostgresSettings, application: str) -> asyncpg.Connection:
    """Connects as the worker's role; short statements, bounded waits, no just-in-time compilation."""
    session = {
        "idle_in_transaction_session_timeout": str(int(settings.idle_transaction_seconds * 1000)),
        "lock_timeout": str(int(settings.lock_timeout_seconds * 1000)),
        "jit": "off",
        **_TCP_SETTINGS,
    }
    connection = await _connect(settings, "worker", application, session)
    if connection.get_server_version() >= _FIRST_WITH_TRANSACTION_TIMEOUT:
        limit_ms = int(settings.transaction_timeout_seconds * 1000)
        await connection.execute(f"SET transaction_timeout = {limit_ms}")
    return connection


async def connect_reader(settings: PostgresSettings, application: str) -> asyncpg.Connection:
    """Connects as the read-only role."""
    return await _connect(settings, "reader", application, {})


async def connect_desk(settings: PostgresSettings, application: str) -> asyncpg.Connection:
    """Connects as the role of the fraud desk, for short changes: bounded statements, waits on locks, transactions."""
    session = {
        "statement_timeout": str(int(_DESK_SECONDS * 1000)),
        "lock_timeout": str(int(min(settings.lock_timeout_seconds, _DESK_SECONDS) * 1000)),
        "idle_in_transaction_session_timeout": str(int(settings.idle_transaction_seconds * 1000)),
        "jit": "off",
        **_TCP_SETTINGS,
    }
    return await _connect(settings, "desk", application, session)


async def connect_auditor(settings: PostgresSettings, application: str) -> asyncpg.Connection:
    """Connects for recounts: reads all that the worker reads, changes nothing, and one statement may take a day.

    A recount reads Kafka within its transaction, for longer than the worker's role may be idle in one. It delays no
    worker: it holds no row lock.
    """
    session = {"default_transaction_read_only": "on", "idle_in_transaction_session_timeout": "0"}
    settings = settings.model_copy(update={"command_timeout_seconds": _DAY_SECONDS})
    return await _connect(settings, "worker", application, session)


def reader_pool(
    settings: PostgresSettings, application: str, *, connections: int, query_seconds: float
) -> asyncpg.Pool:
    """Returns a pool of the read-only role for short queries; to be awaited in the loop that uses it.

    It connects on first use, so it can be created while the database is down. Plans are made for each query's
    parameters: a generic plan for a range of time is a plan for a wide one. Sessions keep no state, so none is reset.
    """
    session = {
        "default_transaction_read_only": "on",
        "statement_timeout": str(int(query_seconds * 1000)),
        "plan_cache_mode": "force_custom_plan",
        "jit": "off",
        **_TCP_SETTINGS,
    }
    return asyncpg.create_pool(
        min_size=0,
        max_size=connections,
        reset=_no_reset,
        **_arguments(settings, "reader", application, session) | {"command_timeout": query_seconds},
    )


async def _no_reset(_: asyncpg.Connection) -> None:
    """Does nothing: resetting an unchanged session would cost a round trip."""


async def _connect(
    settings: PostgresSettings, role: _Role, application: str, session: dict[str, str]
) -> asyncpg.Connection:
    arguments = _arguments(settings, role, application, session)
    user = arguments["user"]
    try:
        return await asyncpg.connect(**arguments, max_cached_statement_lifetime=0)
    except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidPasswordError) as error:
        raise SettingsError(
            f"PostgreSQL at {settings.host}:{settings.port} refuses the login of {user!r} ({text_of(error)}): "
            f"{_login_fix(settings, role, str(error))}"
        ) from error
    except ssl.SSLCertVerificationError as error:
        names = " or ".join(settings.variable(name) for name in ("ca_file", "host", "sslmode"))
        raise SettingsError(
            f"the certificate of PostgreSQL at {settings.host}:{settings.port} is not trusted "
            f"({error.verify_message}): correct {names}"
        ) from error
    except ConnectionError as error:
        if not settings.requires_tls or "SSL" not in str(error):
            raise
        raise SettingsError(
            f"PostgreSQL at {settings.host}:{settings.port} does not offer TLS: enable it there, or set "
            f"{settings.variable('sslmode')} to prefer"
        ) from error


def _login_fix(settings: PostgresSettings, role: _Role, refusal: str) -> str:
    """Returns the setting to correct, by PostgreSQL's message."""
    if "no encryption" in refusal:
        return (
            f"set {settings.variable('sslmode')} to require, verify-ca or verify-full, or allow this host, user and "
            "database in the server's pg_hba.conf"
        )
    if "client certificate" in refusal:
        names = " and ".join(settings.variable(f"{what}_file") for what in ("certificate", "key"))
        return f"set {names}"
    names = " and ".join(settings.variable(f"{role}_{what}") for what in ("user", "password"))
    return f"correct {names}, or let `globalmart migrate` set the passwords"


def _arguments(settings: PostgresSettings, role: _Role, application: str, session: dict[str, str]) -> dict[str, Any]:
    logins: dict[_Role, tuple[str, SecretStr | None]] = {
        "owner": (settings.owner_user, settings.owner_password),
        "worker": (settings.worker_user, settings.worker_password),
        "reader": (settings.reader_user, settings.reader_password),
        "desk": (settings.desk_user, settings.desk_password),
    }
    user, password = logins[role]
    if password is None:
        variable = settings.variable(f"{role}_password")
        raise SettingsError(f"{variable} is not set; `globalmart init` writes one into .env")
    return {
        "host": settings.host,
        "port": settings.port,
        "database": settings.database,
        "user": user,
        "password": password.get_secret_value(),
        "timeout": settings.connect_timeout_seconds,
        "command_timeout": settings.command_timeout_seconds,
        "server_settings": {"application_name": application, **session},
        "ssl": _encryption(settings),
    }


def _encryption(settings: PostgresSettings) -> ssl.SSLContext | str | bool:
    """Returns asyncpg's TLS argument; its own `verify-full` would search the CA file in the home folder."""
    if settings.sslmode == "disable":
        return False
    if settings.sslmode == "prefer":
        return "prefer"
    return client_context(
        PostgresSettings,
        ca_file=settings.ca_file,
        certificate_file=settings.certificate_file,
        key_file=settings.key_file,
        verify=settings.verified,
        check_host=settings.sslmode == "verify-full",
    )
