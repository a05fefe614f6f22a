"""Named points inside the sink's transaction.

In production they have no effect; tests use them to stop, kill or disconnect a worker exactly there: random faults
rarely hit the few microseconds that matter.
"""

from enum import StrEnum
from typing import Protocol

import asyncpg


class FaultPoint(StrEnum):
    """The points, in the order of the transaction."""

    BEFORE_BEGIN = "before_begin"
    AFTER_COPY = "after_copy"
    AFTER_FENCE = "after_fence"
    AFTER_INSERT = "after_insert"
    BEFORE_COMMIT = "before_commit"
    AFTER_COMMIT = "after_commit"


class FaultPoints(Protocol):
    """Receives each point that a chunk reaches."""

    async def reached(self, point: FaultPoint, topic: str, connection: asyncpg.Connection) -> None:
        """May raise, stop or kill in tests."""


class NoFaults:
    """The production implementation: no effect."""

    async def reached(self, point: FaultPoint, topic: str, connection: asyncpg.Connection) -> None:
        """Does nothing."""
