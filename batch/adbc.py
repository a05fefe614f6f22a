"""PostgreSQL through ADBC: results are Arrow, rows never become Python objects."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import quote, urlencode

from adbc_driver_postgresql import dbapi

from app.errors import LockHeldError, SettingsError, text_of
from app.settings import PostgresSettings

#: Key of the advisory lock: "GMBATCH" as a number. The lock ends with its session, so a killed run releases it.
_LOCK_KEY: Final = int.from_bytes(b"GMBATCH", "big")


@contextmanager
def connect(settings: PostgresSettings, application: str, *, autocommit: bool = False) -> Iterator[Any]:
    """Connects as the read-only role and closes at the end."""
    with dbapi.connect(_uri(settings, application), autocommit=autocommit) as connection:
        yield connection


@contextmanager
def batch_lock(settings: PostgresSettings) -> Iterator[Any]:
    """Takes the lock of all batch runs on this database; raises LockHeldError if another session has it.

    Needs a dedicated session: connect to PostgreSQL, not to a pooler in transaction mode.
    """
    with connect(settings, "globalmart-batch-lock", autocommit=True) as connection:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT pg_try_advisory_lock({_LOCK_KEY})")
            if cursor.fetchone() != (True,):
                raise LockHeldError(
                    "another batch run holds the lock; wait for it to end, or find the session "
                    "named globalmart-batch-lock in pg_stat_activity"
                )
        yield connection


def require_lock(connection: Any) -> None:
    """Raises LockHeldError if the session that holds the lock has ended; to be called right before a switch."""
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND pid = pg_backend_pid()"
            )
            held = cursor.fetchone()[0]
    except dbapi.Error as error:
        raise LockHeldError(f"the session that held the batch's lock ended: {text_of(error)}") from error
    if not held:
        raise LockHeldError("the batch's lock was released during this run; run again")


def reader_password(settings: PostgresSettings) -> str:
    """Returns the password of the read-only role; raises SettingsError if there is none."""
    if settings.reader_password is None:
        variable = settings.variable("reader_password")
        raise SettingsError(f"{variable} is not set; `globalmart init` writes one into .env")
    return settings.reader_password.get_secret_value()


def _uri(settings: PostgresSettings, application: str) -> str:
    password = quote(reader_password(settings), safe="")
    user, database = quote(settings.reader_user, safe=""), quote(settings.database, safe="")
    options = urlencode(
        {
            "application_name": application,
            "connect_timeout": max(1, round(settings.connect_timeout_seconds)),
            "keepalives_idle": 30,
            **encryption(settings),
        }
    )
    return f"postgresql://{user}:{password}@{settings.host}:{settings.port}/{database}?{options}"


def encryption(settings: PostgresSettings) -> dict[str, str]:
    """Returns libpq's TLS parameters; the JDBC driver uses the same names."""
    files = {"sslrootcert": settings.ca_file, "sslcert": settings.certificate_file, "sslkey": settings.key_file}
    given = {name: str(file) for name, file in files.items() if file is not None}
    return {"sslmode": settings.sslmode, **given}
