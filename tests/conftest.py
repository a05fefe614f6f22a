"""Fixtures for every test: one real server of each store and one Kafka for each process of the run."""

import asyncio
from collections.abc import Iterator
from typing import Any

import asyncpg
import pytest

from compose.embedded.postgres_server import SUPERUSER
from compose.embedded.stack import EmbeddedStack, remove_stack
from tests.support.scheduling import LongestFirst


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LongestFirst:
    """The dealer of a parallel run."""
    return LongestFirst(config, log)


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedStack]:
    """All servers on free ports, empty, shared by all tests, gone after the last."""
    var_dir = tmp_path_factory.mktemp("stack")
    services = ("kafka", "postgres", "mongo")
    with EmbeddedStack(var_dir, services=services, preferred_ports=False) as running:
        asyncio.run(_spare_the_disk(running))
        yield running
    remove_stack(var_dir)


async def _spare_the_disk(stack: EmbeddedStack) -> None:
    """Turn PostgreSQL's fsync off, which waits for the disk at every commit and every database made or dropped.

    Tests kill the server, not the kernel, and what was written to the kernel survives the server.
    """
    connection = await asyncpg.connect(stack.postgres.dsn(SUPERUSER, "postgres"))
    try:
        await connection.execute("ALTER SYSTEM SET fsync = off")
        await connection.execute("SELECT pg_reload_conf()")
    finally:
        await connection.close()
