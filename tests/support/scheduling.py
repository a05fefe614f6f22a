"""Which process of a parallel run gets which tests, and when: what takes longest begins first."""

from pathlib import Path
from typing import Any, Final

from xdist.scheduler import LoadScopeScheduling

_TESTS: Final = Path(__file__).parents[1]

#: Files whose tests share a Spark session of 1 GB and its warm code: two sessions, so that neither process works on
#: alone when all other tests are done.
_TOGETHER: Final = {
    "batch: whole nights": (
        "batch/test_nightly.py",
        "batch/test_odd_times.py",
        "batch/test_partial_periods.py",
        "batch/test_oracle.py",
        "batch/test_unknown.py",
        "batch/test_marts.py",
        "batch/test_julian_calendar.py",
        "batch/test_night_size.py",
        "batch/test_arrow_to_bson.py",
        "batch/test_session.py",
    ),
    "batch: other processes": (
        "batch/test_cluster.py",
        "batch/test_killed.py",
        "batch/test_faults.py",
        "batch/test_cdnow.py",
        "batch/test_erasure.py",
        "batch/test_warehouse_check.py",
        "batch/test_read_by_the_api.py",
        "batch/test_ecom.py",
        "batch/test_older_lake.py",
        "batch/test_spark_java.py",
    ),
}
#: Folders whose tests are long and share nothing: each goes wherever there is time.
_APART: Final = ("faults",)

#: What takes minutes, the longest first; all else follows in the order of its name.
LONGEST: Final = (
    *_TOGETHER,
    "compose/test_demo.py",
    "ops/erasure",
    "ops/backup",
    "security",
    "api/dashboard/test_browser.py",
    "api/test_clients.py",
    "chaos",
    "grafana",
    "compose/test_images.py",
    "ops",
    "faults",
    "compose",
    "generator/test_shares.py",
)

_SCOPES: Final = {file: scope for scope, files in _TOGETHER.items() for file in files}


def named_files() -> list[str]:
    """The files of the tests that are named here, relative to the folder of the tests."""
    return [*_SCOPES, *(name for name in LONGEST if name not in _TOGETHER), *_APART]


def scope_of(nodeid: str) -> str:
    """What is dealt out as one: as a rule the tests of a file, relative to the folder of the tests."""
    path, _, _ = nodeid.partition("::")
    file = Path(path).relative_to(_TESTS.name).as_posix()
    if file in _SCOPES:
        return _SCOPES[file]
    return nodeid.removeprefix(f"{_TESTS.name}/") if file.split("/")[0] in _APART else file


def place_of(scope: str) -> int:
    """How early a scope begins."""
    return next((place for place, name in enumerate(LONGEST) if scope.startswith(name)), len(LONGEST))


class LongestFirst(LoadScopeScheduling):
    """Deals out scopes.

    Not xdist's `loadgroup`: it notes the groups in an attribute that pytest 9 no longer reads, and deals out each
    test by itself.
    """

    def _split_scope(self, nodeid: str) -> str:
        return scope_of(nodeid)

    def _assign_work_unit(self, node: Any) -> None:
        """Give the next of the longest that are left; xdist itself begins with the most tests."""
        self.workqueue.move_to_end(min(self.workqueue, key=place_of), last=False)
        super()._assign_work_unit(node)
