"""Fixtures for every test: one real Kafka, PostgreSQL and MongoDB-protocol server for the whole run."""

from collections.abc import Iterator

import pytest

from compose.embedded.stack import EmbeddedStack, remove_stack


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedStack]:
    """All servers on free ports, empty, shared by all tests, gone after the last."""
    var_dir = tmp_path_factory.mktemp("stack")
    services = ("kafka", "postgres", "mongo")
    with EmbeddedStack(var_dir, services=services, preferred_ports=False) as running:
        yield running
    remove_stack(var_dir)
