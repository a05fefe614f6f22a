"""What a worker remembers of one partition of transactions: velocity for the rules, live revenue for the tables."""

from dataclasses import dataclass, field
from typing import Final

from app.domain.sliding import WINDOW_SECONDS, SlidingRevenue
from app.domain.velocity import PartitionVelocity

#: Stands for a category or country an event does not name.
UNNAMED: Final = "unknown"


@dataclass(slots=True)
class SalesState:
    """A function of the accepted rows below the partition's next offset; freed when the partition is revoked."""

    velocity: PartitionVelocity
    by_category: SlidingRevenue = field(default_factory=SlidingRevenue)
    by_country: SlidingRevenue = field(default_factory=SlidingRevenue)

    def add_revenue(
        self, timestamp_us: int, cents: int, category: str | None, country: str | None, now_us: int
    ) -> None:
        """Count an accepted event in the live figures, unless the window has passed it already."""
        if timestamp_us <= now_us - WINDOW_SECONDS * 1_000_000:
            return
        self.by_category.add(category or UNNAMED, timestamp_us, cents)
        self.by_country.add(country or UNNAMED, timestamp_us, cents)

    def expire(self, now_second: int) -> None:
        """Drop live figures the window has passed."""
        self.by_category.expire(now_second)
        self.by_country.expire(now_second)
