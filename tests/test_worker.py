"""The worker's composition root: what it wires, and that importing it does nothing."""

import subprocess
import sys

import pytest

from app.domain.names import name_or_unknown
from app.settings import Settings
from app.sink.stateful_rules import new_states
from app.stream.app import GlobalMartApp
from app.topics import SOURCE_TOPICS
from app.worker import create_app
from tables.sales_state import SalesState
from tests.support.waiting import PATIENCE_SECONDS
from tests.tables.sales import Sold

TABLES = {"revenue_by_category", "revenue_by_country", "user_velocity"}


@pytest.fixture
def app() -> GlobalMartApp:
    """A worker that is never started."""
    return create_app(Settings({}))


def test_agents_topics_and_tables_are_exactly_these(app: GlobalMartApp) -> None:
    assert set(app.agents) == set(SOURCE_TOPICS)
    topics = {name: agent.channel.get_topic_name() for name, agent in app.agents.items()}
    assert topics == {name: name for name in SOURCE_TOPICS}
    assert set(app.tables) == TABLES
    assert set(app.commit_workers) == set(SOURCE_TOPICS)


def test_workers_do_not_share_what_their_tables_hold(app: GlobalMartApp) -> None:
    other = create_app(Settings({}))
    state = SalesState(new_states(None), name_or_unknown)
    state.accept([Sold(1, 1, "a", "b")], [1], None, 0)
    app.tables["revenue_by_category"][0] = state.by_category
    assert list(app.tables["revenue_by_category"]) == [0]
    assert list(other.tables["revenue_by_category"]) == []


_IMPORTS = """
import app.worker
assert "app" not in vars(app.worker), "importing the module built a worker"
try:
    app.worker.app
except SystemExit as error:
    print(error)
"""


def test_importing_the_worker_reads_no_settings() -> None:
    environ = {"GLOBALMART_ENV_FILE": "", "GLOBALMART_KAFKA_PARTITIONS": "many"}
    done = subprocess.run(
        [sys.executable, "-c", _IMPORTS],
        env=environ | {"PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "GLOBALMART_KAFKA_PARTITIONS" in done.stdout


def test_the_module_has_no_other_surprises() -> None:
    import app.worker

    with pytest.raises(AttributeError, match="application"):
        _ = app.worker.application
