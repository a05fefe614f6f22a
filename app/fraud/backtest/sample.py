"""A look at a sample of the last day: whether a rule would raise so many orders that nobody could look at them."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, NamedTuple

import asyncpg

from app.fraud.backtest.answer import share_of, warning
from app.fraud.backtest.parts import collect
from app.fraud.backtest.question import Question, prepare
from app.fraud.backtest.stored_orders import Unit
from app.fraud.rules import AnyRule

_SAMPLED_ORDERS: Final = 1_000
_DAY: Final = timedelta(hours=24)
_END: Final = "SELECT max(hour) + INTERVAL '1 hour' FROM sales_hourly"
#: Those that lie first in the table: no order has to be sorted.
_SAMPLE: Final = f"""
SELECT transaction_id, user_id, source_partition, timestamp FROM transactions
WHERE timestamp >= $1 AND timestamp < $2 LIMIT {_SAMPLED_ORDERS}"""
_SESSION: Final = "SET LOCAL statement_timeout = '10s'"


class Look(NamedTuple):
    """How many of the sampled orders, of [start, end), the rule would raise."""

    orders: int
    raised: int
    start: datetime
    end: datetime

    @property
    def share(self) -> Decimal:
        """Of the sampled orders, four places; 0 of none."""
        share = share_of(self.raised, self.orders)
        return Decimal(0) if share is None else share

    @property
    def warning(self) -> str | None:
        """Says so where the rule would raise a large share; None otherwise."""
        return warning(self.share, f"{self.orders:,} orders of the 24 hours to {self.end:%Y-%m-%d %H:%M} UTC")


async def warning_of(connection: asyncpg.Connection, rule: AnyRule) -> str | None:
    """Looks at the last day with a rule that was just set; returns what its author should know, None if nothing.

    A rule that was set does not fail because the look does.
    """
    if rule.state == "paused":
        return None
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            found = await look(connection, rule)
    except asyncpg.PostgresError as error:
        return f"whether it raises too many orders is not known, as they could not be read: {error}"
    return found and found.warning


async def look(connection: asyncpg.Connection, rule: AnyRule) -> Look | None:
    """Judges a sample of the last 24 hours that have orders; None if there are none.

    Histories are those of PostgreSQL. Needs a transaction of one snapshot; raises InvalidRuleError for a list that does
    not exist.
    """
    await connection.execute(_SESSION)
    end = await connection.fetchval(_END)
    if end is None:
        return None
    prepared = await prepare(connection, Question(end - _DAY, end, (rule,)))
    found = await connection.fetch(_SAMPLE, end - _DAY, end)
    # Like a test on history: orders of a partition that no ledger knows have no place among the others.
    sample = [order for order in found if order["source_partition"] in prepared.ends]
    users: dict[int, set[str]] = {}
    for order in sample:
        users.setdefault(order["source_partition"], set()).add(order["user_id"])
    raised: set[str] = set()
    for partition, names in users.items():
        findings = await collect(connection, prepared, Unit(partition, users=tuple(sorted(names))))
        raised.update(finding.row.transaction_id for finding in findings)
    return Look(len(sample), sum(order["transaction_id"] in raised for order in sample), end - _DAY, end)
