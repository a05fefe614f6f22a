"""What memory keeps of every order for the rules, and how PostgreSQL counts the rest: the guide's minute alone.

A kind of rule that looks back belongs elsewhere: in app/fraud/rules.py and app/fraud/measures.py, which judge by the
histories of tables/user_histories.py. They are kept only of users whom a rule asks for.

Memory holds the orders above a horizon. Where a measure reaches below it, it is counted in PostgreSQL, in one query for
the whole chunk after its rows have been inserted, so that both ways count the same orders.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol, TypeVar

import asyncpg

from app.events.topics.transactions import TransactionRow
from tables.sales_state import RuleState
from tables.velocity import RECENT, PartitionVelocity

StateT = TypeVar("StateT", bound=RuleState)


class StatefulRule(Protocol[StateT]):
    """A measure of every order that depends on the user's earlier orders in its partition."""

    @property
    def measure(self) -> str:
        """Name of the measure, by which rules refer to it."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The fields of a row that it needs, without time and offset."""

    @property
    def count_sql(self) -> str:
        """SQL of the measures of stored orders, in the order of the parameters.

        $1 is the partition; $2, $3, and so on are arrays: each of `columns`, then timestamp and source_offset.
        """

    def new_state(self, horizon_us: int | None) -> StateT:
        """Returns the state of a partition without orders above the horizon (microseconds)."""

    def add(self, state: StateT, rows: Sequence[TransactionRow], timestamps_us: Sequence[int]) -> Sequence[int | None]:
        """Adds accepted orders in offset order; returns the measure of each, None if it reaches below the horizon."""

    def restore(self, state: StateT, row: Mapping[str, Any], timestamp_us: int) -> None:
        """Adds an order that was accepted earlier; `row` has the fields of `columns`."""


class RecentOrders:
    """Number of the user's orders in (t - 60 s, t], the order itself included."""

    measure: Final = RECENT
    columns: Final = ("user_id",)
    count_sql: Final = """
SELECT count(t.transaction_id) AS recent
FROM unnest($2::TEXT[], $3::TIMESTAMPTZ[], $4::BIGINT[]) WITH ORDINALITY
    AS candidate (user_id, at, source_offset, place)
LEFT JOIN transactions t
    ON t.user_id = candidate.user_id
    AND t.timestamp > candidate.at - interval '60 seconds' AND t.timestamp <= candidate.at
    AND t.source_partition = $1 AND t.source_offset <= candidate.source_offset
GROUP BY candidate.place ORDER BY candidate.place"""

    def new_state(self, horizon_us: int | None) -> PartitionVelocity:
        """Returns the velocity of a partition."""
        return PartitionVelocity(horizon_us)

    def add(
        self, state: PartitionVelocity, rows: Sequence[TransactionRow], timestamps_us: Sequence[int]
    ) -> list[int | None]:
        """Adds the orders and counts those of the last 60 s."""
        return [state.add(row.user_id, timestamp_us) for row, timestamp_us in zip(rows, timestamps_us, strict=True)]

    def restore(self, state: PartitionVelocity, row: Mapping[str, Any], timestamp_us: int) -> None:
        """Adds an order of the user."""
        state.restore(row["user_id"], timestamp_us)


#: Everything that is kept of every order. The detector and the loader of partitions read this list.
STATEFUL_RULES: Final[tuple[StatefulRule[Any], ...]] = (RecentOrders(),)


def new_states(horizon_us: int | None) -> dict[str, RuleState]:
    """Returns an empty state of every rule, by measure."""
    return {rule.measure: rule.new_state(horizon_us) for rule in STATEFUL_RULES}


async def count(
    connection: asyncpg.Connection, rule: StatefulRule[Any], partition: int, rows: Sequence[TransactionRow]
) -> list[int]:
    """Counts the measure of stored rows in PostgreSQL, over the orders of this partition up to each one's offset."""
    names = (*rule.columns, "timestamp", "source_offset")
    counted = await connection.fetch(
        rule.count_sql, partition, *([getattr(row, name) for row in rows] for name in names)
    )
    return [row[0] for row in counted]
