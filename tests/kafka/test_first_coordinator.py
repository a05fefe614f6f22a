"""What a worker logs while Kafka has no coordinator for its group yet."""

import logging

import pytest
from aiokafka.errors import CoordinatorNotAvailableError, GroupAuthorizationFailedError

from app.kafka.aiokafka_fixes import QuietWait, wait_quietly_for_the_coordinator

_COMPLAINT = "Group Coordinator Request failed: %s"


def _level(quiet: QuietWait, error: Exception, message: str = _COMPLAINT) -> str:
    record = logging.LogRecord("x", logging.ERROR, "x", 1, message, (error,), None)
    assert quiet.filter(record)
    assert type(error).__name__ in record.getMessage() or str(error) in record.getMessage()
    return record.levelname


def test_a_coordinator_that_is_being_made_is_no_error() -> None:
    now = [100.0]
    quiet = QuietWait(lambda: now[0])
    assert _level(quiet, CoordinatorNotAvailableError()) == "INFO"
    now[0] += 10
    assert _level(quiet, CoordinatorNotAvailableError()) == "INFO"
    now[0] += 10
    assert _level(quiet, CoordinatorNotAvailableError()) == "ERROR"
    now[0] += 600
    assert _level(quiet, CoordinatorNotAvailableError()) == "INFO"


@pytest.mark.parametrize(
    ("error", "message"),
    [(GroupAuthorizationFailedError("g"), _COMPLAINT), (CoordinatorNotAvailableError(), "OffsetCommit failed: %s")],
)
def test_everything_else_stays_what_it_is(error: Exception, message: str) -> None:
    assert _level(QuietWait(), error, message) == "ERROR"


def test_it_is_installed_once() -> None:
    wait_quietly_for_the_coordinator()
    wait_quietly_for_the_coordinator()
    filters = logging.getLogger("aiokafka.consumer.group_coordinator").filters
    assert sum(isinstance(one, QuietWait) for one in filters) == 1
