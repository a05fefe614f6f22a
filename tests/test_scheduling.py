"""The order of a parallel run names what exists, and splits no file that shares something."""

from pathlib import Path

from tests.support.scheduling import LONGEST, named_files, place_of, scope_of

_TESTS = Path(__file__).parent


def test_all_that_is_named_exists() -> None:
    assert [name for name in named_files() if not (_TESTS / name).exists()] == []


def test_every_file_of_the_batch_is_in_a_session() -> None:
    files = [f"tests/batch/{path.name}" for path in (_TESTS / "batch").glob("test_*.py")]
    assert {scope_of(f"{file}::test_x") for file in files} == set(LONGEST[:2])


def test_the_longest_begin_first() -> None:
    nodes = [
        "tests/domain/test_money.py::test_x",
        "tests/faults/test_kills.py::test_x",
        "tests/batch/test_spark_java.py::test_x",
    ]
    scopes = sorted(map(scope_of, nodes), key=place_of)
    assert scopes == ["batch: other processes", "faults/test_kills.py::test_x", "domain/test_money.py"]
