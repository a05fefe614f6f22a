"""The rendered SQL of the sink: a change shows as a difference of SQL files."""

import os
from pathlib import Path

import pytest

from app.sink.tables import STORED_TOPICS, StoredTopic
from app.topics import SOURCE_TOPICS

SNAPSHOTS = Path(__file__).with_name("snapshots")
REWRITE = "REWRITE_SNAPSHOTS"


def test_every_source_topic_is_stored() -> None:
    assert tuple(STORED_TOPICS) == SOURCE_TOPICS


@pytest.mark.parametrize("stored", STORED_TOPICS.values(), ids=lambda stored: stored.name)
def test_rendered_sql(stored: StoredTopic) -> None:
    """After a wanted change run this once with REWRITE_SNAPSHOTS=1 and read the difference."""
    statements = [
        stored.create_stage,
        stored.insert(stored.staged),
        stored.select_duplicates(stored.staged),
        stored.insert(stored.from_partitions(stored.insert_parameters + 1)),
        stored.select_duplicates(stored.from_partitions(2)),
    ]
    rendered = "".join(f"{statement.strip()};\n\n" for statement in statements)
    snapshot = SNAPSHOTS / f"{stored.name}.sql"
    if os.environ.get(REWRITE):
        snapshot.write_text(rendered)
    assert snapshot.read_text() == rendered
