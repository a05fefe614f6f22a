"""The in-memory state of one partition of transactions: velocity for the rules, live revenue for the tables."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from tables.sliding_window import WINDOW_SECONDS, SlidingRevenue
from tables.velocity import PartitionVelocity


class Sale(Protocol):
    """The fields of an accepted transaction that the live figures use."""

    @property
    def amount_cents(self) -> int:
        """Amount in cents."""

    @property
    def category(self) -> str | None:
        """Category, None if missing."""

    @property
    def country(self) -> str | None:
        """Country, None if missing."""


@dataclass(slots=True)
class SalesState:
    """A function of the accepted rows below the partition's next offset; freed when the partition is revoked.

    `named` returns the name that a category or country counts under.
    """

    velocity: PartitionVelocity
    named: Callable[[str | None], str]
    by_category: SlidingRevenue = field(default_factory=SlidingRevenue)
    by_country: SlidingRevenue = field(default_factory=SlidingRevenue)

    def accept(self, sales: Iterable[Sale], timestamps_us: Iterable[int], horizon_us: int | None, now_us: int) -> None:
        """Adds a committed chunk: counts its events in the live figures and raises the velocity's horizon."""
        oldest_us = now_us - WINDOW_SECONDS * 1_000_000
        for sale, timestamp_us in zip(sales, timestamps_us, strict=True):
            if timestamp_us > oldest_us:
                cents = sale.amount_cents
                self.by_category.add(self.named(sale.category), timestamp_us, cents)
                self.by_country.add(self.named(sale.country), timestamp_us, cents)
        self.velocity.raise_horizon(horizon_us)
