"""Named points inside the sink's transaction.

A worker passes them without effect; tests arm them to stop, kill or disconnect it exactly there, because random faults
rarely hit the few microseconds that matter.
"""

from enum import StrEnum
from typing import Protocol

import asyncpg


class FaultPoint(StrEnum):
    """In the order in which a chunk passes them."""

    BEFORE_BEGIN = "before_begin"
    AFTER_COPY = "after_copy"
    AFTER_FENCE = "after_fence"
    AFTER_INSERT = "after_insert"
    BEFORE_COMMIT = "before_commit"
    AFTER_COMMIT = "after_commit"


class FaultPoints(Protocol):
    """Told of each point a chunk reaches."""

    async def reached(self, point: FaultPoint, topic: str, connection: asyncpg.Connection) -> None:
        """May do harm; a worker's does nothing."""


class NoFaults:
    """What every worker runs with."""

    async def reached(self, point: FaultPoint, topic: str, connection: asyncpg.Connection) -> None:
        """Go on."""
