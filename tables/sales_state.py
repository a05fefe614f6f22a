"""What a worker remembers of one partition of transactions: velocity for the rules, live revenue for the tables."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from app.domain.names import name_or_unknown
from tables.sliding_window import WINDOW_SECONDS, SlidingRevenue
from tables.velocity import PartitionVelocity


class Sale(Protocol):
    """What the live figures need of an accepted transaction."""

    @property
    def amount_cents(self) -> int:
        """Amount in cents."""

    @property
    def category(self) -> str | None:
        """Category, if named."""

    @property
    def country(self) -> str | None:
        """Country, if named."""


@dataclass(slots=True)
class SalesState:
    """A function of the accepted rows below the partition's next offset; freed when the partition is revoked."""

    velocity: PartitionVelocity
    by_category: SlidingRevenue = field(default_factory=SlidingRevenue)
    by_country: SlidingRevenue = field(default_factory=SlidingRevenue)

    def accept(self, sales: Iterable[Sale], timestamps_us: Iterable[int], horizon_us: int | None, now_us: int) -> None:
        """Follow a committed chunk: count its events in the live figures, forget below the horizon."""
        oldest_us = now_us - WINDOW_SECONDS * 1_000_000
        for sale, timestamp_us in zip(sales, timestamps_us, strict=True):
            if timestamp_us > oldest_us:
                cents = sale.amount_cents
                self.by_category.add(name_or_unknown(sale.category), timestamp_us, cents)
                self.by_country.add(name_or_unknown(sale.country), timestamp_us, cents)
        self.velocity.raise_horizon(horizon_us)

    def expire(self, now_second: int) -> None:
        """Drop live figures the window has passed."""
        self.by_category.expire(now_second)
        self.by_country.expire(now_second)
