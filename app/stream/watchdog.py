"""Detects partitions that no longer advance, as opposed to idle ones and those that wait for a store."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

PartitionT = TypeVar("PartitionT", bound=Hashable)


class Position(NamedTuple):
    """Position of a partition: `next_offset` in the ledger, None until it is opened, and the records beyond it.

    `lag` counts the readable records, `held_back` those behind an open transaction.
    """

    next_offset: int | None
    lag: int
    held_back: int = 0


class Stall(NamedTuple, Generic[PartitionT]):
    """A partition that has not advanced although records wait."""

    partition: PartitionT
    seconds: float


@dataclass(slots=True)
class Watchdog(Generic[PartitionT]):
    """Records since when each partition has its position; times are seconds of one clock."""

    limit_seconds: float
    _since: dict[PartitionT, tuple[int | None, float]] = field(default_factory=dict)

    def stall(self, positions: Mapping[PartitionT, Position], now: float, tried_at: float) -> Stall[PartitionT] | None:
        """Returns the partition that has not advanced for the longest time, if that is longer than allowed.

        `tried_at` is the time of the last failed attempt: waiting for an unavailable store is no stall.
        """
        self._since = {partition: self._standing(partition, position, now) for partition, position in positions.items()}
        if not self._since:
            return None
        partition, (_, since) = min(self._since.items(), key=lambda item: item[1][1])
        seconds = now - max(since, tried_at)
        return Stall(partition, seconds) if seconds > self.limit_seconds else None

    def _standing(self, partition: PartitionT, position: Position, now: float) -> tuple[int | None, float]:
        former = self._since.get(partition)
        stands = former is not None and former[0] == position.next_offset and position.lag > 0
        return former if stands and former is not None else (position.next_offset, now)
