"""Three real stores: the run's Kafka with fresh topics, a database of the test's own, a MongoDB-protocol server."""

from dataclasses import dataclass

import pytest

from app.settings import Settings
from compose.embedded.stack import EmbeddedStack
from tests.faults.conftest import world
from tests.faults.topics import recreate_topics
from tests.support.databases import Database, blank_database, database

__all__ = ["blank_database", "database", "world"]


@dataclass(frozen=True, slots=True)
class Shop:
    """The stores of one test; `variables` lead to all of them."""

    database: Database
    variables: dict[str, str]

    def settings(self, **changed: str) -> Settings:
        """Settings with some of them changed; names without the prefix."""
        return Settings(self.variables | {f"GLOBALMART_{n}": v for n, v in changed.items()})


@pytest.fixture(scope="module")
def topics(stack: EmbeddedStack) -> None:
    """Empty topics."""
    recreate_topics(stack.kafka.bootstrap)


def _variables(stack: EmbeddedStack, name: str) -> dict[str, str]:
    return stack.environment() | {"GLOBALMART_POSTGRES_DATABASE": name, "GLOBALMART_MONGO_DATABASE": f"dw_{name}"}


@pytest.fixture
def shop(stack: EmbeddedStack, topics: None, database: Database) -> Shop:
    """Stores that were migrated and hold nothing."""
    return Shop(database, _variables(stack, database.name))


@pytest.fixture
def blank_shop(stack: EmbeddedStack, topics: None, blank_database: Database) -> Shop:
    """The same without a schema in PostgreSQL."""
    return Shop(blank_database, _variables(stack, blank_database.name))
