"""Connections to PostgreSQL, by role, with the time-outs this system's guarantees rest on."""

from typing import Final

import asyncpg
from pydantic import SecretStr

from app.errors import SettingsError
from app.settings import PostgresSettings

#: A peer that vanished is noticed by the server within this time, and its locks end with it.
_TCP_SETTINGS: Final = {
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "8000",
}


async def connect_owner(settings: PostgresSettings) -> asyncpg.Connection:
    """A connection as the owner of the schema, for migrations."""
    return await _connect(
        settings, settings.owner_user, settings.owner_password, "owner", "globalmart-migrate", {}
    )


async def connect_worker(settings: PostgresSettings, application: str) -> asyncpg.Connection:
    """A connection as the worker's role; short statements, bounded waits, no just-in-time compilation."""
    session = {
        "idle_in_transaction_session_timeout": "5000",
        "lock_timeout": str(int(settings.lock_timeout_seconds * 1000)),
        "jit": "off",
        **_TCP_SETTINGS,
    }
    return await _connect(
        settings, settings.worker_user, settings.worker_password, "worker", application, session
    )


async def connect_reader(settings: PostgresSettings, application: str) -> asyncpg.Connection:
    """A connection as the role that only reads."""
    return await _connect(
        settings, settings.reader_user, settings.reader_password, "reader", application, {}
    )


async def _connect(
    settings: PostgresSettings,
    user: str,
    password: SecretStr | None,
    role: str,
    application: str,
    session: dict[str, str],
) -> asyncpg.Connection:
    if password is None:
        variable = settings.variable(f"{role}_password")
        raise SettingsError(f"{variable} is not set; `globalmart init` writes one into .env")
    try:
        return await asyncpg.connect(
            host=settings.host, port=settings.port, database=settings.database, user=user,
            password=password.get_secret_value(), timeout=settings.connect_timeout_seconds,
            command_timeout=settings.command_timeout_seconds, max_cached_statement_lifetime=0,
            server_settings={"application_name": application, **session},
        )  # fmt: skip
    except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidPasswordError) as error:
        names = " and ".join(settings.variable(f"{role}_{what}") for what in ("user", "password"))
        raise SettingsError(
            f"PostgreSQL at {settings.host}:{settings.port} refuses to let {user!r} in ({error}): correct {names}, "
            "or let `globalmart migrate` set the passwords"
        ) from error
