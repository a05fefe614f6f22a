"""Velocity of users in one partition: how many accepted events lie in (t - 60 s, t].

Memory holds the timestamps above a horizon that only rises. A count whose window reaches below the horizon is unknown
here; the caller then queries the database, which is always exact.
"""

from bisect import bisect_right, insort
from collections import deque
from collections.abc import Iterable
from typing import Final

#: Name of the measure.
RECENT: Final = "recent"
WINDOW_US: Final = 60_000_000
SLACK_US: Final = 60_000_000
_SECOND_US: Final = 1_000_000
_SAMPLE: Final = 101


class PartitionVelocity:
    """Sorted timestamps (microseconds) per user of one partition.

    The horizon is the median of the last accepted timestamps, minus the window, minus 60 s of slack: one stray
    event from the future cannot raise it, as it would raise a maximum.
    """

    def __init__(self, horizon_us: int | None = None) -> None:
        self.timestamps: dict[str, list[int]] = {}
        self.horizon_us = horizon_us
        self._recent: deque[int] = deque(maxlen=_SAMPLE)
        self._users_by_second: dict[int, list[str]] = {}

    def add(self, user_id: str, timestamp_us: int) -> int | None:
        """Adds one accepted event, in offset order; returns its count, or None below the horizon."""
        self._recent.append(timestamp_us)
        horizon_us = self.horizon_us
        if horizon_us is not None and timestamp_us <= horizon_us:
            return None
        events = self._insert(user_id, timestamp_us)
        if horizon_us is not None and timestamp_us - WINDOW_US < horizon_us:
            return None
        upto = bisect_right(events, timestamp_us)
        return upto - bisect_right(events, timestamp_us - WINDOW_US, 0, upto)

    def restore(self, user_id: str, timestamp_us: int) -> None:
        """Adds an event that was accepted earlier and read from the database."""
        if self.horizon_us is None or timestamp_us > self.horizon_us:
            self._insert(user_id, timestamp_us)

    def next_horizon(self) -> int | None:
        """Returns the horizon after the events added so far; never below the current one."""
        if not self._recent:
            return self.horizon_us
        ordered = sorted(self._recent)
        candidate_us = ordered[len(ordered) // 2] - WINDOW_US - SLACK_US
        return candidate_us if self.horizon_us is None else max(self.horizon_us, candidate_us)

    def raise_horizon(self, horizon_us: int | None) -> None:
        """Sets the new horizon and drops the events at or below it."""
        if horizon_us is None or horizon_us == self.horizon_us:
            return
        self.horizon_us = horizon_us
        for second in self._seconds_below(horizon_us):
            for user_id in self._users_by_second.pop(second):
                self._evict(user_id, horizon_us)

    def _insert(self, user_id: str, timestamp_us: int) -> list[int]:
        events = self.timestamps.get(user_id)
        if events is None:
            events = self.timestamps[user_id] = [timestamp_us]
        elif timestamp_us >= events[-1]:
            events.append(timestamp_us)
        else:
            insort(events, timestamp_us)
        self._users_by_second.setdefault(timestamp_us // _SECOND_US, []).append(user_id)
        return events

    def _seconds_below(self, horizon_us: int) -> Iterable[int]:
        """Returns the seconds that lie completely at or below the horizon."""
        limit = (horizon_us + 1) // _SECOND_US
        return [second for second in self._users_by_second if second < limit]

    def _evict(self, user_id: str, horizon_us: int) -> None:
        events = self.timestamps.get(user_id)
        if events is None:
            return
        del events[: bisect_right(events, horizon_us)]
        if not events:
            del self.timestamps[user_id]
