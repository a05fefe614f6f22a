"""A partition that stands still is a stall only while records wait and nothing is tried."""

import pytest

from app.stream.health import Position, Stall, Watchdog

NEVER = 0.0


@pytest.fixture
def watchdog() -> Watchdog[str]:
    """Allows 60 s; the first look is at second 1000."""
    watchdog: Watchdog[str] = Watchdog(60.0)
    watchdog.stall({"a": Position(5, 1), "b": Position(7, 1)}, 1000, NEVER)
    return watchdog


def test_one_that_stands_still_is_found_though_its_neighbour_moves(watchdog: Watchdog[str]) -> None:
    assert watchdog.stall({"a": Position(5, 9), "b": Position(8, 1)}, 1060, NEVER) is None
    found = watchdog.stall({"a": Position(5, 9), "b": Position(9, 1)}, 1061, NEVER)
    assert found == Stall("a", 61)


def test_a_partition_that_moves_is_none(watchdog: Watchdog[str]) -> None:
    for step in range(1, 10):
        at = {"a": Position(5 + step, 100), "b": Position(7 + step, 100)}
        assert watchdog.stall(at, 1000 + 50 * step, NEVER) is None


def test_without_records_waiting_the_time_starts_again(watchdog: Watchdog[str]) -> None:
    assert watchdog.stall({"a": Position(5, 0)}, 1050, NEVER) is None
    assert watchdog.stall({"a": Position(5, 1)}, 1110, NEVER) is None
    assert watchdog.stall({"a": Position(5, 1)}, 1111, NEVER) == Stall("a", 61)


def test_a_failed_attempt_starts_the_time_again(watchdog: Watchdog[str]) -> None:
    assert watchdog.stall({"a": Position(5, 1)}, 1200, 1140) is None
    assert watchdog.stall({"a": Position(5, 1)}, 1201, 1140) == Stall("a", 61)


def test_one_that_is_never_opened_is_found() -> None:
    watchdog: Watchdog[str] = Watchdog(60.0)
    for now in (1000, 1061):
        found = watchdog.stall({"a": Position(None, 3)}, now, NEVER)
    assert found == Stall("a", 61)


def test_a_partition_that_was_revoked_and_came_back_has_its_time_again(watchdog: Watchdog[str]) -> None:
    assert watchdog.stall({}, 1050, NEVER) is None
    assert watchdog.stall({"a": Position(5, 1)}, 1100, NEVER) is None
