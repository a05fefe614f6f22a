"""Fixtures for every test: one real server of each store and one Kafka for each process of the run."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from xdist.scheduler import LoadScopeScheduling

from compose.embedded.stack import EmbeddedStack, remove_stack

#: Folders whose tests share something costly, a Spark session for one: all in one process.
_TOGETHER: Final = ("batch",)
#: Folders whose tests are long and share nothing: each goes wherever there is time.
_APART: Final = ("faults",)
#: What takes minutes begins first, so that at the end no process works on alone.
_LONGEST: Final = ("batch", "compose/test_demo.py", "chaos", "security", "faults", "upkeep", "grafana")
_TESTS: Final = Path(__file__).parent


class _ByFile(LoadScopeScheduling):
    """Deals out tests to the processes of a parallel run; as a rule those of a file stay together.

    Not xdist's `loadgroup`: it notes the groups in an attribute that pytest 9 no longer reads, and deals out each
    test by itself.
    """

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.split("::", 1)[0]
        folder = Path(path).relative_to(_TESTS.name).parts[0]
        if folder in _TOGETHER:
            return folder
        return nodeid if folder in _APART else path

    def _assign_work_unit(self, node: Any) -> None:
        """Give the next of the longest that are left; xdist itself begins with the most tests."""
        self.workqueue.move_to_end(min(self.workqueue, key=_place), last=False)
        super()._assign_work_unit(node)


def _place(scope: str) -> int:
    """How early a part of the tests begins."""
    name = scope.removeprefix(f"{_TESTS.name}/")
    return next((n for n, part in enumerate(_LONGEST) if name.startswith(part)), len(_LONGEST))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """The dealer of a parallel run."""
    return _ByFile(config, log)


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedStack]:
    """All servers on free ports, empty, shared by all tests, gone after the last."""
    var_dir = tmp_path_factory.mktemp("stack")
    services = ("kafka", "postgres", "mongo")
    with EmbeddedStack(var_dir, services=services, preferred_ports=False) as running:
        yield running
    remove_stack(var_dir)
