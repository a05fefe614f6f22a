"""What the API asks stays cheap: no endpoint reads all transactions, whatever it is asked."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import orjson
import pytest

from api import operations
from api.cursors import Place
from api.dates import Period, time_ranges
from api.queries import anomalies, sales
from api.queries.breakdown import Group, breakdown
from api.routes.transactions import Order
from app.postgres.connections import reader_pool
from app.postgres.heartbeats import SELECT_ALIVE
from tests.sink.chunk_slices import NOON
from tests.support.databases import Database

_DAYS = 60
_FILL = """
INSERT INTO transactions (transaction_id, user_id, timestamp, total_amount, category, country, quantity,
    source_partition, source_offset)
SELECT 't' || n, 'u' || n % 1000, $1::TIMESTAMPTZ - n * INTERVAL '1 minute', n % 7000, 'c' || n % 50,
    'l' || n % 5, 1, n % 6, n
FROM generate_series(1, 86400) AS n"""
_ROLLUP = """
INSERT INTO {table} ({column}, source_partition, {names}, transaction_count, total_amount)
SELECT date_trunc('{unit}', timestamp, 'UTC'), source_partition, {names}, count(*), sum(total_amount)
FROM transactions GROUP BY 1, 2, {names}"""
_ANOMALIES = """
INSERT INTO transaction_anomalies (transaction_id, user_id, amount, anomaly_score, anomaly_type, detected_at,
    description, event_time, threshold, position)
SELECT transaction_id, user_id, total_amount, 1, 'high_value', timestamp, '', timestamp, 1, source_offset
FROM transactions WHERE source_offset % 4 = 0"""


async def fill(database: Database) -> None:
    """Sixty days with an order a minute, its rollups and anomalies, known to the planner."""
    async with database.owner() as owner:
        await owner.execute(_FILL, NOON)
        for unit, table in (("minute", "minutely"), ("hour", "hourly"), ("day", "daily")):
            rollup = {"table": f"revenue_{table}", "column": unit, "unit": unit}
            await owner.execute(_ROLLUP.format(names="country", **rollup))
        for unit, table in (
            ("minute", "sales_panes"),
            ("hour", "sales_hourly"),
            ("day", "sales_daily"),
            ("week", "sales_weekly"),
        ):
            column = "pane_start" if unit == "minute" else unit
            rollup = {"table": table, "column": column, "unit": unit, "names": "category, country"}
            await owner.execute(_ROLLUP.format(**rollup))
        await owner.execute(_ANOMALIES)
        await owner.execute("SELECT brin_summarize_new_values('idx_transactions_time')")
        await owner.execute("ANALYZE")


class Explained:
    """Stands where the database stands and keeps the plan of what is asked."""

    name = "postgresql"

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self.plans: list[dict[str, Any]] = []

    async def fetch(self, query: str, *arguments: Any) -> list[asyncpg.Record]:
        """Explain the query, then answer it."""
        plan = await self._pool.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {query}", *arguments)
        self.plans.append(orjson.loads(plan)[0]["Plan"])
        rows: list[asyncpg.Record] = await self._pool.fetch(query, *arguments)
        return rows


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", []):
        yield from _nodes(child)


def _read_whole(plan: dict[str, Any]) -> set[str]:
    """Tables a plan reads from end to end."""
    return {node["Relation Name"] for node in _nodes(plan) if node["Node Type"] == "Seq Scan"}


def _periods() -> list[Period]:
    noon: datetime = NOON
    lengths = [timedelta(minutes=1), timedelta(hours=7), timedelta(days=9), timedelta(days=59)]
    odd = timedelta(seconds=17.5)
    return [Period(noon - length - odd, noon + odd) for length in lengths] + [Period()]


async def _ask_everything(database: Any) -> None:
    """Every query of every endpoint, at its widest and at its narrowest."""
    for period in _periods():
        for country in (None, "l1"):
            await sales.totals(database, period, country)
        for kind in (None, "high_value"):
            for after in (None, Place(NOON - timedelta(days=3), 5)):
                await anomalies.page(database, period, kind, after, 101)
        for country in ("l1", "nowhere"):
            await anomalies.page(database, period, None, None, 101, country=country)
        short = period.end - period.start <= timedelta(days=31)
        for group in Group if short else set(Group) - {Group.HOUR}:
            for country in (None, "l1"):
                await breakdown(database, group, [period], country)
    await sales.newest_orders(database, "u7", Order.model_fields, 10)
    await anomalies.of_transactions(database, ["t77", "t78", "t79"])
    await database.fetch(operations.TOPICS)
    await database.fetch(SELECT_ALIVE)
    await database.fetch(operations.SIZES)
    await database.fetch(operations.SIZE)
    await sales.extent(database)
    await sales.order(database, "t77", Order.model_fields)
    await anomalies.of_transaction(database, "t77")
    await anomalies.after_position(database, 80_000, 500)
    await sales.live_revenue(database, NOON - timedelta(days=1))
    for country in (None, "l1"):
        await sales.live_minutes(database, NOON - timedelta(days=1), country)
    await sales.countries(database)
    await sales.categories(database)


@pytest.fixture
async def explained(database: Database) -> Explained:
    """All plans, made as the API's own pool makes them."""
    await fill(database)
    pool = await reader_pool(database.postgres, "test", connections=1, query_seconds=30)
    recorder = Explained(pool)
    await _ask_everything(recorder)
    await pool.close()
    return recorder


async def test_no_plan_reads_all_of_a_large_table(explained: Explained) -> None:
    large = {"transactions", "transaction_anomalies", "sales_panes", "sales_hourly", "revenue_minutely"}
    number = 5 * 2 + 5 * 4 + 5 * 2 + 46 + 15  # of a category, the width of its panes is asked, too
    assert len(explained.plans) == number
    assert [_read_whole(plan) & large for plan in explained.plans] == [set()] * number


async def test_few_rows_are_touched(explained: Explained) -> None:
    """At most two months of days or hours, hours and minutes at the ends, and BRIN's ranges for the rest."""
    assert max(_touched(plan) for plan in explained.plans) < 20_000


def _touched(plan: dict[str, Any]) -> float:
    touched: float = sum(
        node["Actual Loops"] * (node["Actual Rows"] + node.get("Rows Removed by Index Recheck", 0))
        for node in _nodes(plan)
        if "Relation Name" in node
    )
    return touched


def test_a_span_of_everything_needs_no_rows() -> None:
    period = Period()
    query, _ = sales.totals_query(time_ranges(period.start, period.end), None)
    assert "transactions WHERE" not in query
