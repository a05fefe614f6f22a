"""Live sums over the last 60 s in steps of a second, kept as one bucket per second.

The figure at a whole second `now` is the sum of events with a timestamp in (now - 60 s, now], so an event belongs to
the bucket of the second it is complete in: ceil(timestamp).
"""

from collections.abc import Mapping
from typing import Final

WINDOW_SECONDS: Final = 60

#: Cents by the whole epoch second at whose end they count for the first time.
Buckets = dict[int, int]


def bucket_of(timestamp_us: int) -> int:
    """The whole epoch second at whose end the instant counts for the first time."""
    return -(-timestamp_us // 1_000_000)


def sum_at(buckets: Mapping[int, int], now_second: int) -> int:
    """Sum of the buckets in (now - 60 s, now]."""
    oldest = now_second - WINDOW_SECONDS
    return sum(cents for second, cents in buckets.items() if oldest < second <= now_second)


class SlidingRevenue:
    """Live revenue of one partition by some name, a category or a country; bounded by the window."""

    def __init__(self) -> None:
        self.buckets: dict[str, Buckets] = {}

    def add(self, name: str, timestamp_us: int, cents: int) -> None:
        """Add an accepted event; the caller leaves out what is older than the window."""
        by_second = self.buckets.setdefault(name, {})
        second = bucket_of(timestamp_us)
        by_second[second] = by_second.get(second, 0) + cents

    def at(self, now_second: int) -> dict[str, int]:
        """Cents per name over (now - 60 s, now]; names without any are left out."""
        sums = {name: sum_at(buckets, now_second) for name, buckets in self.buckets.items()}
        return {name: cents for name, cents in sums.items() if cents}

    def expire(self, now_second: int) -> None:
        """Drop what no later figure can contain; the clock does not run backwards."""
        oldest = now_second - WINDOW_SECONDS
        for name, by_second in list(self.buckets.items()):
            for second in [second for second in by_second if second <= oldest]:
                del by_second[second]
            if not by_second:
                del self.buckets[name]
