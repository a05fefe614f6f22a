"""A quiet wait for the coordinator of the consumer group.

A Kafka that has never had a group makes its coordinators when first asked for one. aiokafka asks until there is one and
calls every answer before that an error, which reads as if the very first start of a worker had failed.
"""

import logging
import time
from collections.abc import Callable
from typing import Final

from aiokafka.errors import KafkaError

_LOGGER: Final = "aiokafka.consumer.group_coordinator"
_COMPLAINT: Final = "Group Coordinator Request failed"
_PATIENCE_SECONDS: Final = 15.0


def wait_quietly_for_the_coordinator() -> None:
    """From now on in this process; calling it again changes nothing."""
    logger = logging.getLogger(_LOGGER)
    if not any(isinstance(present, QuietWait) for present in logger.filters):
        logger.addFilter(QuietWait())


class QuietWait(logging.Filter):
    """Makes a complaint that passes by itself a remark, unless it has lasted; `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._first = self._last = float("-inf")

    def filter(self, record: logging.LogRecord) -> bool:
        """Never drops a record."""
        if record.msg.startswith(_COMPLAINT) and _passes(record.args):
            now = self._clock()
            if now - self._last > _PATIENCE_SECONDS:
                self._first = now
            self._last = now
            if now - self._first <= _PATIENCE_SECONDS:
                record.msg = "Kafka has no coordinator for the group yet, asking again: %s"
                record.levelno, record.levelname = logging.INFO, logging.getLevelName(logging.INFO)
        return True


def _passes(arguments: object) -> bool:
    """Whether the error is one that is gone at a later try."""
    return any(
        isinstance(error, KafkaError) and error.retriable
        for error in (arguments if isinstance(arguments, tuple) else ())
    )
