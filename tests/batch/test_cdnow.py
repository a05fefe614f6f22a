"""Real orders all the way: generator, Kafka, worker, PostgreSQL, lake, Spark, MongoDB."""

import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from batch.sources import LAKE_TABLES
from compose.embedded.stack import EmbeddedStack
from tests.batch import cdnow, oracle
from tests.batch.generated import Row
from tests.batch.nights import Nights, assert_published, plain_environment
from tests.faults import topics
from tests.faults.world import World

Published = dict[str, list[Row]]
_ORDERS = 69_659
_CUSTOMERS = 23_570
_REVENUE = Decimal("2500315.63")
_ZERO_AMOUNTS = 80
_EXACT_DUPLICATES = 255
_STORED = f"SELECT {', '.join(LAKE_TABLES['transactions'].columns)} FROM transactions"


@pytest.fixture
def world(stack: EmbeddedStack, nights: Nights, tmp_path: Path) -> Iterator[World]:
    """Empty topics in front of the database of these nights."""
    topics.recreate_topics(stack.kafka.bootstrap)
    world = World(stack, tmp_path, nights.database.name)
    yield world
    world.close()


async def test_every_order_of_cdnow_reaches_the_warehouse(world: World, nights: Nights) -> None:
    nights = replace(nights, variables={**nights.variables, "GLOBALMART_BATCH_EXTRACT_ROWS": "1000000"})
    world.worker(KAFKA_MAX_POLL_RECORDS="4000")
    command = [sys.executable, "-m", "app.cli", "generate", "--preset", "cdnow"]
    subprocess.run(command, check=True, env=plain_environment(os.environ, world.environment()))
    await world.consumed()
    world.close()

    nights.run(cdnow.LAST_DAY)
    orders = cdnow.orders()
    assert (len(orders), len({row["user_id"] for row in orders})) == (_ORDERS, _CUSTOMERS)
    await _assert_postgresql_has_every_row(nights, Counter(map(_content, orders)))
    wanted = oracle.marts_of(cdnow.shop(), cdnow.LAST_DAY, timedelta(minutes=30))
    published = assert_published(nights, wanted)
    _assert_sums(published)
    _assert_summary_of_the_sample(published["fact_sessions"])

    # The same rows in another order: no fact is written again.
    stored = [dict(row) for row in await nights.database.fetch(_STORED)]
    random.Random(1).shuffle(stored)
    await nights.execute("TRUNCATE transactions")
    await nights.insert(LAKE_TABLES["transactions"], stored)
    again = nights.run(cdnow.LAST_DAY, full=True)
    assert [one.written for one in again.staged if one.mart.fact_time] == [0, 0]
    segments = sorted(nights.documents("customer_segments"), key=str)
    assert segments == published["customer_segments"]


def _content(row: dict[str, object]) -> tuple[object, ...]:
    return tuple(row[name] for name in ("user_id", "timestamp", "quantity", "total_amount"))


async def _assert_postgresql_has_every_row(nights: Nights, wanted: Counter[object]) -> None:
    """Rows that repeat another exactly are orders of their own, and so are orders of nothing."""
    rows = await nights.database.fetch("SELECT user_id, timestamp, quantity, total_amount FROM transactions")
    stored = Counter(tuple(row) for row in rows)
    assert stored == wanted
    assert stored.total() - len(stored) == _EXACT_DUPLICATES
    assert sum(row["total_amount"] == 0 for row in rows) == _ZERO_AMOUNTS


def _assert_sums(published: Published) -> None:
    segments, trends = published["customer_segments"], published["sales_trends"]
    months = [row for row in trends if row["period_type"] == "monthly" and row["country"] is None]
    assert len(segments) == _CUSTOMERS
    assert sum(row["frequency"] for row in segments) == _ORDERS
    for column, rows in (
        ("monetary", segments),
        ("total_amount", published["fact_sales"]),
        ("revenue", published["fact_sessions"]),
        ("revenue", months),
    ):
        assert sum((row[column] for row in rows), Decimal(0)) == _REVENUE
    assert sorted(row["period"] for row in months) == [
        f"{year}-{month:02}" for year, last in ((1997, 12), (1998, 6)) for month in range(1, last + 1)
    ]


def _assert_summary_of_the_sample(sessions: list[Row]) -> None:
    """A session without an id holds what a customer bought on one day: CDNOW's times are midnights."""
    found = cdnow.summaries((row["user_id"], row["started_at"].date(), row["revenue"]) for row in sessions)
    published = cdnow.published_summary()
    assert len(published) == 2_357
    assert {customer: found[customer] for customer in published} == published
