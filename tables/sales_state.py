"""The in-memory state of one partition of transactions: what the rules remember, live revenue for the tables."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from tables.sliding_window import WINDOW_SECONDS, SlidingRevenue
from tables.user_histories import UserHistories


class RuleState(Protocol):
    """What one stateful rule remembers of a partition: the events above a horizon that only rises."""

    def next_horizon(self) -> int | None:
        """Returns the horizon (microseconds) after the events added so far; never below the current one."""

    def raise_horizon(self, horizon_us: int | None) -> None:
        """Sets the new horizon and drops the events at or below it."""


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

    `rules` are the states of the stateful rules by measure, `histories` what is remembered of users for rules that look
    further back. `named` returns the name that a category or country counts under.
    """

    rules: Mapping[str, RuleState]
    named: Callable[[str | None], str]
    histories: UserHistories = field(default_factory=UserHistories)
    by_category: SlidingRevenue = field(default_factory=SlidingRevenue)
    by_country: SlidingRevenue = field(default_factory=SlidingRevenue)

    def accept(self, sales: Iterable[Sale], timestamps_us: Iterable[int], horizon_us: int | None, now_us: int) -> None:
        """Adds a committed chunk: counts its events in the live figures and raises the rules' horizon."""
        oldest_us = now_us - WINDOW_SECONDS * 1_000_000
        for sale, timestamp_us in zip(sales, timestamps_us, strict=True):
            if timestamp_us > oldest_us:
                cents = sale.amount_cents
                self.by_category.add(self.named(sale.category), timestamp_us, cents)
                self.by_country.add(self.named(sale.country), timestamp_us, cents)
        for state in self.rules.values():
            state.raise_horizon(horizon_us)

    def next_horizon(self) -> int | None:
        """Returns the horizon after the events added so far: the lowest that a rule needs."""
        return min(
            (us for us in (state.next_horizon() for state in self.rules.values()) if us is not None), default=None
        )
