"""Waits for the coordinator of the consumer group without logging errors.

A new Kafka cluster creates its coordinators at the first request for one. aiokafka retries until there is one and logs
each attempt as an error, as if the first start of a worker had failed.
"""

import logging
import time
from collections.abc import Callable
from typing import Final

from aiokafka.errors import KafkaError

_LOGGER: Final = "aiokafka.consumer.group_coordinator"
_MESSAGE: Final = "Group Coordinator Request failed"
_QUIET_SECONDS: Final = 15.0


def wait_quietly_for_the_coordinator() -> None:
    """Installs the filter in this process, once."""
    logger = logging.getLogger(_LOGGER)
    if not any(isinstance(present, QuietWait) for present in logger.filters):
        logger.addFilter(QuietWait())


class QuietWait(logging.Filter):
    """Lowers a temporary error to INFO, for a limited time; `clock` returns seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._first = self._last = float("-inf")

    def filter(self, record: logging.LogRecord) -> bool:
        """Never drops a record."""
        if record.msg.startswith(_MESSAGE) and _is_temporary(record.args):
            now = self._clock()
            if now - self._last > _QUIET_SECONDS:
                self._first = now
            self._last = now
            if now - self._first <= _QUIET_SECONDS:
                record.msg = "Kafka has no coordinator for the group yet, retrying: %s"
                record.levelno, record.levelname = logging.INFO, logging.getLevelName(logging.INFO)
        return True


def _is_temporary(arguments: object) -> bool:
    """Whether a later attempt may succeed."""
    return any(
        isinstance(error, KafkaError) and error.retriable
        for error in (arguments if isinstance(arguments, tuple) else ())
    )
