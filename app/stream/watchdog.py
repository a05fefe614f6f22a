"""Tells a partition that no longer moves from one that has nothing to do or waits for a store."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

PartitionT = TypeVar("PartitionT", bound=Hashable)


class Position(NamedTuple):
    """Where a partition stands: `next_offset` in the ledger, None while it is not opened, and records beyond it.

    `lag` counts what may be read, `held_back` what lies behind a transaction that is still open.
    """

    next_offset: int | None
    lag: int
    held_back: int = 0


class Stall(NamedTuple, Generic[PartitionT]):
    """A partition that has stood still with records waiting."""

    partition: PartitionT
    seconds: float


@dataclass(slots=True)
class Watchdog(Generic[PartitionT]):
    """Remembers since when each partition stands where it does; times are seconds of one clock."""

    limit_seconds: float
    _since: dict[PartitionT, tuple[int | None, float]] = field(default_factory=dict)

    def stall(self, positions: Mapping[PartitionT, Position], now: float, tried_at: float) -> Stall[PartitionT] | None:
        """The partition that has stood still the longest, if that is longer than allowed.

        `tried_at` is when anything was last attempted and failed: a store that is away is waited for, not a stall.
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
