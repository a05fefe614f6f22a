"""What the recount adds up under which name."""

from pathlib import Path

import pytest

from app.reconcile.stream.expected_store import ExpectedStore
from tests.support.unnamed import NAMED, UNNAMED


def _counted(name: str | None, folder: Path) -> set[tuple[str | None, str]]:
    with ExpectedStore(60, 30, folder) as expected_store:
        expected_store.accept([(0, 0, name, name, 5)])
        return {(line.category, line.country) for line in expected_store.windows()}


@pytest.mark.parametrize("name", UNNAMED)
def test_what_names_nothing_counts_as_unknown(name: str | None, tmp_path: Path) -> None:
    assert _counted(name, tmp_path) == {("unknown", "unknown")}


@pytest.mark.parametrize("name", NAMED)
def test_every_other_name_counts_as_it_came(name: str, tmp_path: Path) -> None:
    assert _counted(name, tmp_path) == {(name, name)}
