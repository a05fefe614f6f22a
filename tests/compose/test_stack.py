"""The whole stack as its users see it: answers, survives restarts, leaves nothing behind."""

import asyncpg
from confluent_kafka.admin import AdminClient

from app.kafka.admin import create_topics
from app.topics import TOPICS
from compose.embedded.stack import EmbeddedStack


async def test_postgres_answers_as_the_owner(stack: EmbeddedStack) -> None:
    connection = await asyncpg.connect(stack.postgres.dsn())
    try:
        row = await connection.fetchrow(
            "SELECT current_user::text, current_database()::text, current_setting('fsync')"
        )
    finally:
        await connection.close()
    assert row is not None
    assert tuple(row) == ("globalmart", "globalmart", "on")


def test_topics_are_created_once(stack: EmbeddedStack) -> None:
    create_topics(stack.kafka.bootstrap, 6, 1, 48.0)
    assert create_topics(stack.kafka.bootstrap, 6, 1, 48.0) == []
    present = (
        AdminClient({"bootstrap.servers": stack.kafka.bootstrap}).list_topics(timeout=10).topics
    )
    assert {spec.name: len(present[spec.name].partitions) for spec in TOPICS} == {
        spec.name: 6 for spec in TOPICS
    }
