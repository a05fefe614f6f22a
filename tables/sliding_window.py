"""Live sums over the last 60 s in steps of a second, kept as one bucket per second.

The figure at a whole second `now` is the sum of events with a timestamp in (now - 60 s, now], so an event belongs to
the bucket of the second ceil(timestamp).
"""

from collections.abc import Mapping
from typing import Final

WINDOW_SECONDS: Final = 60

#: Cents by the first whole epoch second whose window contains them.
Buckets = dict[int, int]


def bucket_of(timestamp_us: int) -> int:
    """Returns the first whole epoch second whose window contains the timestamp."""
    return -(-timestamp_us // 1_000_000)


def sum_at(buckets: Mapping[int, int], now_second: int) -> int:
    """Returns the sum of the buckets in (now - 60 s, now]."""
    oldest = now_second - WINDOW_SECONDS
    return sum(cents for second, cents in buckets.items() if oldest < second <= now_second)


class SlidingRevenue:
    """Live revenue of one partition by category or country; its size is bounded by the window."""

    def __init__(self) -> None:
        self.buckets: dict[str, Buckets] = {}

    def add(self, name: str, timestamp_us: int, cents: int) -> None:
        """Adds an accepted event; the caller omits events older than the window."""
        by_second = self.buckets.setdefault(name, {})
        second = bucket_of(timestamp_us)
        by_second[second] = by_second.get(second, 0) + cents

    def at(self, now_second: int) -> dict[str, int]:
        """Returns cents per name over (now - 60 s, now], without names that have none."""
        sums = {name: sum_at(buckets, now_second) for name, buckets in self.buckets.items()}
        return {name: cents for name, cents in sums.items() if cents}

    def expire(self, now_second: int) -> None:
        """Drops the buckets that no later window contains; the clock does not run backwards."""
        oldest = now_second - WINDOW_SECONDS
        for name, by_second in list(self.buckets.items()):
            for second in [second for second in by_second if second <= oldest]:
                del by_second[second]
            if not by_second:
                del self.buckets[name]
