"""A stream in real Kafka and its faultless image in PostgreSQL, cloned for every test."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any

import pytest

from app.postgres.migrate import migrate
from app.reconcile.stream.report import ReconcileReport
from app.settings import Settings
from compose.embedded.postgres_server import OWNER, SUPERUSER
from compose.embedded.stack import EmbeddedStack
from tests.reconcile.stream import stores
from tests.reconcile.stream.scripted import Sent, script

TEMPLATE = "recount_template"
_NUMBERS = count(1)


def messages(report: ReconcileReport) -> list[str]:
    """All listed mismatches, one line each."""
    return [f"{mismatch.kind}: {mismatch.message}" for mismatch in report.mismatches]


@pytest.fixture(scope="module")
def source(stack: EmbeddedStack) -> Iterator[list[Sent]]:
    """The hand-written stream and its copies, in topics made for this module."""
    records = script()
    bootstrap = stack.kafka.bootstrap
    stores.recreate_topics(bootstrap)
    stores.send(bootstrap, records)
    in_flight = Sent("transactions", 0, 17, b"u9", b"beyond the ledger", "")
    stores.send(bootstrap, [in_flight])
    stores.publish(bootstrap, records)
    yield records
    stores.delete_topics(bootstrap)


@dataclass(frozen=True)
class World:
    """Variables and settings of a recount, and a way to run SQL as the superuser."""

    variables: Mapping[str, str]
    settings: Settings
    execute: Callable[..., Awaitable[Any]]


@pytest.fixture
async def world(stack: EmbeddedStack, source: list[Sent]) -> AsyncIterator[World]:
    """A database of its own with everything in it that belongs there."""
    admin = await stores.connect(stack.postgres.dsn(SUPERUSER, "postgres"))
    await _ensure_template(stack, source, admin)
    name = f"recount_{next(_NUMBERS)}"
    await admin.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
    connection = await stores.connect(stack.postgres.dsn(SUPERUSER, name))
    variables = _variables(stack, name)
    yield World(variables, Settings(variables), connection.execute)
    await connection.close()
    await admin.execute(f"DROP DATABASE {name}")
    await admin.close()


async def _ensure_template(stack: EmbeddedStack, source: list[Sent], admin: Any) -> None:
    if await admin.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", TEMPLATE):
        return
    await admin.execute(f"CREATE DATABASE {TEMPLATE} OWNER {OWNER}")
    # As the owner: roles that the superuser made could not be altered by any later migration of this server.
    variables = stack.environment() | {"GLOBALMART_POSTGRES_DATABASE": TEMPLATE}
    await migrate(Settings(variables).postgres)
    connection = await stores.connect(stack.postgres.dsn(SUPERUSER, TEMPLATE))
    await stores.fill(connection, source, stores.cluster_id(stack.kafka.bootstrap))
    await connection.close()


def _variables(stack: EmbeddedStack, database: str) -> dict[str, str]:
    return stack.environment() | {"GLOBALMART_POSTGRES_DATABASE": database}
