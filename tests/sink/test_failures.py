"""What failures mean, with the errors a real server gives."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import asyncpg
import pytest
from pydantic import SecretStr

from app.postgres.connections import connect_worker
from app.sink.chunk_transaction import FencedError
from app.sink.failures import Failure, UnencodableError, classify
from app.sink.tables import STORED_TOPICS
from compose.embedded.ports import choose_port
from tests.sink.chunk_slices import Sink, order, work_of
from tests.support.databases import Database
from tests.support.waiting import until

Provoke = Callable[[Database], Awaitable[object]]


async def _execute(database: Database, statement: str) -> None:
    async with database.worker() as connection:
        await connection.execute(statement)


async def _unique_violation(database: Database) -> None:
    await _execute(
        database,
        "INSERT INTO stream_source (cluster_id) VALUES ('a');INSERT INTO stream_source (cluster_id) VALUES ('b')",
    )


async def _overflow(database: Database) -> None:
    await _execute(database, "SELECT 1e11::NUMERIC(12, 2)")


async def _unencodable(database: Database) -> None:
    async with database.worker(STORED_TOPICS["transactions"]) as connection:
        await Sink(connection).commit(work_of([order(0, quantity=2**40)]))


async def _not_text(database: Database) -> None:
    async with database.worker(STORED_TOPICS["transactions"]) as connection:
        await Sink(connection).commit(work_of([order(0, country=5)]))


async def _killed_backend(database: Database) -> None:
    async with database.worker() as connection:
        sleeping = asyncio.create_task(connection.execute("SELECT pg_sleep(60)"))
        await asyncio.sleep(0.1)
        await database.terminate(connection.get_server_pid())
        await sleeping


async def _killed_in_transaction(database: Database) -> None:
    async with database.worker() as connection, connection.transaction():
        await database.terminate(connection.get_server_pid())
        await connection.execute("SELECT 1")


async def _killed_while_idle(database: Database) -> None:
    async with database.worker() as connection:
        await database.terminate(connection.get_server_pid())
        await connection.execute("SELECT 1")


async def _idle_in_transaction(database: Database) -> None:
    async with database.worker() as connection:
        await connection.execute("SET idle_in_transaction_session_timeout = '50ms'")
        async with connection.transaction():
            await until(connection.is_closed)
            await connection.execute("SELECT 1")


async def _lock_timeout(database: Database) -> None:
    async with database.owner() as holder, holder.transaction():
        await holder.execute("LOCK TABLE transactions")
        await _execute(database, "SET lock_timeout = '50ms'; SELECT 1 FROM transactions")


async def _slow_statement(database: Database) -> None:
    async with database.worker() as connection:
        await connection.execute("SELECT pg_sleep(60)", timeout=0.05)


async def _cancelled_by_the_server(database: Database) -> None:
    await _execute(database, "SET statement_timeout = '50ms'; SELECT pg_sleep(60)")


async def _deadlock(database: Database) -> None:
    both = asyncio.Barrier(2)

    async def lock(connection: asyncpg.Connection, first: int, second: int) -> None:
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", first)
            await both.wait()
            await connection.execute("SELECT pg_advisory_xact_lock($1)", second)

    async with database.worker() as one, database.worker() as two:
        ends = await asyncio.gather(lock(one, 1, 2), lock(two, 2, 1), return_exceptions=True)
    raise next(end for end in ends if isinstance(end, BaseException))


async def _nothing_listens(database: Database) -> None:
    await connect_worker(database.postgres.model_copy(update={"port": choose_port(None)}), "test")


async def _wrong_password(database: Database) -> None:
    wrong = {"worker_password": SecretStr("wrong")}
    await connect_worker(database.postgres.model_copy(update=wrong), "test")


async def _no_such_database(database: Database) -> None:
    await connect_worker(database.postgres.model_copy(update={"database": "nowhere"}), "test")


async def _undefined_table(database: Database) -> None:
    await _execute(database, "SELECT 1 FROM nowhere")


async def _not_allowed(database: Database) -> None:
    await _execute(database, "DELETE FROM transactions")


PROVOKED: list[tuple[Provoke, Failure]] = [
    (_unique_violation, Failure.DATA),
    (_overflow, Failure.DATA),
    (_unencodable, Failure.DATA),
    (_not_text, Failure.DATA),
    (_killed_backend, Failure.STORE),
    (_killed_in_transaction, Failure.STORE),
    (_killed_while_idle, Failure.STORE),
    (_idle_in_transaction, Failure.STORE),
    (_lock_timeout, Failure.STORE),
    (_slow_statement, Failure.STORE),
    (_cancelled_by_the_server, Failure.STORE),
    (_deadlock, Failure.STORE),
    (_nothing_listens, Failure.STORE),
    (_wrong_password, Failure.BUG),
    (_no_such_database, Failure.BUG),
    (_undefined_table, Failure.BUG),
    (_not_allowed, Failure.BUG),
]


async def test_real_failures_are_distinguished(database: Database) -> None:
    found = {}
    for provoke, _ in PROVOKED:
        with pytest.raises(Exception) as caught:
            await provoke(database)
        found[provoke.__name__] = classify(caught.value)
    assert found == {provoke.__name__: failure for provoke, failure in PROVOKED}


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (UnencodableError("x"), Failure.DATA),
        (ConnectionResetError(), Failure.STORE),
        (TimeoutError(), Failure.STORE),
        (FencedError(), Failure.BUG),
        (ValueError(), Failure.BUG),
        (KeyError(), Failure.BUG),
        (AssertionError(), Failure.BUG),
    ],
    ids=repr,
)
def test_failures_of_our_own(error: Exception, failure: Failure) -> None:
    assert classify(error) is failure


_SHORT = {"lock_timeout_seconds": 0.25, "idle_transaction_seconds": 5.0}


async def test_a_worker_waits_for_no_lock_longer_than_its_limit(database: Database) -> None:
    limited = database.postgres.model_copy(update=_SHORT)
    connection = await connect_worker(limited, "test")
    try:
        assert await connection.fetchval("SHOW lock_timeout") == "250ms"
        idle = await connection.fetchval("SHOW idle_in_transaction_session_timeout")
        assert timedelta(seconds=5) == timedelta(seconds=int(idle.removesuffix("s")))
    finally:
        await connection.close()
