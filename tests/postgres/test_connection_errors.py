"""Every way in which a session can be lost is an answer for people, not a crash."""

import asyncpg
import pytest

from app.errors import StoreUnavailableError
from app.postgres.connections import translate_errors
from app.settings import PostgresSettings


@pytest.mark.parametrize(
    "error",
    [
        ConnectionResetError("reset by peer"),
        TimeoutError(),
        asyncpg.AdminShutdownError("terminating connection due to administrator command"),
        asyncpg.InterfaceError("connection is closed"),
        asyncpg.InternalClientError("cannot switch to state 15; another operation (2) is in progress"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_lost_session_is_a_store_that_does_not_answer(error: Exception) -> None:
    with (
        pytest.raises(StoreUnavailableError, match=r"PostgreSQL at .* does not answer"),
        translate_errors(PostgresSettings()),
    ):
        raise error
