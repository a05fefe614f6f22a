"""The three live tables together: their partitions' states, and their figures at a given second."""

from collections import Counter
from dataclasses import dataclass
from typing import Self

from faust.types import AppT
from faust.types.tables import TableT

from tables import revenue_by_category, revenue_by_country, user_velocity
from tables.sales_state import SalesState
from tables.velocity import RECENT


@dataclass(frozen=True, slots=True)
class LiveTables:
    """The three tables, with the state of each open partition of transactions."""

    revenue_by_category: TableT
    revenue_by_country: TableT
    user_velocity: TableT

    @classmethod
    def create(cls, app: AppT) -> Self:
        """Declares the tables on the app."""
        return cls(
            revenue_by_category.create_table(app), revenue_by_country.create_table(app), user_velocity.create_table(app)
        )

    def show(self, partition: int, state: SalesState) -> None:
        """Writes a partition's state to the tables: one write per table and chunk."""
        self.revenue_by_category[partition] = state.by_category
        self.revenue_by_country[partition] = state.by_country
        self.user_velocity[partition] = state.rules[RECENT]

    def hide(self, partition: int) -> None:
        """Removes a partition from the tables."""
        for table in (self.revenue_by_category, self.revenue_by_country, self.user_velocity):
            if partition in table:
                del table[partition]

    def category_cents(self, now_second: int) -> dict[str, int]:
        """Returns cents per category over (now - 60 s, now], of this worker's partitions."""
        return _total(self.revenue_by_category, now_second)

    def country_cents(self, now_second: int) -> dict[str, int]:
        """Returns cents per country over (now - 60 s, now], of this worker's partitions."""
        return _total(self.revenue_by_country, now_second)

    def users(self) -> int:
        """Returns the number of users with events above the horizon."""
        return sum(len(velocity.timestamps) for velocity in self.user_velocity.values())

    def expire(self, now_second: int) -> None:
        """Drops the buckets before the window."""
        for table in (self.revenue_by_category, self.revenue_by_country):
            for revenue in table.values():
                revenue.expire(now_second)


def _total(table: TableT, now_second: int) -> dict[str, int]:
    total: Counter[str] = Counter()
    for revenue in table.values():
        total.update(revenue.at(now_second))
    return dict(total)
