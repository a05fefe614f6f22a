"""A world per test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from compose.embedded.stack import EmbeddedStack
from tests.faults import databases, topics
from tests.faults.world import World


@pytest.fixture
async def world(stack: EmbeddedStack, tmp_path: Path) -> AsyncIterator[World]:
    """Topics, database and consumer group that no other test has touched."""
    topics.recreate_topics(stack.kafka.bootstrap)
    database = await databases.create_database(stack)
    world = World(stack, tmp_path, database)
    yield world
    world.close()
    await databases.drop_database(stack, database)
