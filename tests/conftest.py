"""Fixtures for every test: one real Kafka and one real PostgreSQL for each process of the run."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from compose.embedded.stack import EmbeddedStack, remove_stack

#: Folders whose tests share something costly, a Spark session for one: all in one process.
_TOGETHER: Final = ("batch",)
#: Folders whose tests are long and share nothing: each goes wherever there is time.
_APART: Final = ("faults",)
_TESTS: Final = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tell the processes of a parallel run which tests belong together: as a rule those of a file."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_group(item)))


def _group(item: pytest.Item) -> str:
    folder = item.path.relative_to(_TESTS).parts[0]
    if folder in _TOGETHER:
        return folder
    return item.nodeid if folder in _APART else str(item.path)


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedStack]:
    """Kafka and PostgreSQL on free ports, empty, shared by all tests, gone after the last."""
    var_dir = tmp_path_factory.mktemp("stack")
    services = ("kafka", "postgres")
    with EmbeddedStack(var_dir, services=services, preferred_ports=False) as running:
        yield running
    remove_stack(var_dir)
