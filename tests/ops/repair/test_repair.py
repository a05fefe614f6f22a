"""Damage on purpose under live traffic, repair, replay; then the independent recount agrees."""

import asyncio
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import AbstractAsyncContextManager
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Final

from app.ops.repair.repair import Repair, repair
from app.ops.replay.replay import replay_kafka
from app.settings import Settings
from tests.faults.load import Sent
from tests.faults.world import World
from tests.ops.dead_letters.refused import deliver, globalmart, order

_DAMAGE: Final = """
UPDATE sales_panes SET total_amount = total_amount + 0.01, transaction_count = transaction_count + 1
WHERE (pane_start, source_partition) IN (SELECT pane_start, source_partition FROM sales_panes LIMIT 3);
DELETE FROM revenue_minutely WHERE source_partition = 1;
DELETE FROM sales_hourly WHERE category = 'Toys' OR country = 'unknown';
INSERT INTO revenue_hourly (hour, source_partition, country, transaction_count, total_amount)
SELECT DISTINCT hour, source_partition, 'Nowhere', 5, 5 FROM revenue_hourly WHERE source_partition = 2;
UPDATE sales_daily SET total_amount = 0 WHERE source_partition = 3;
DELETE FROM sales_weekly WHERE source_partition = 5;
INSERT INTO revenue_daily (day, source_partition, country, transaction_count, total_amount)
SELECT DISTINCT day, source_partition, 'Nowhere', 1, 1 FROM revenue_daily WHERE source_partition = 4;
"""
_TABLES: Final = {
    "sales_panes",
    "revenue_minutely",
    "sales_hourly",
    "revenue_hourly",
    "sales_daily",
    "sales_weekly",
    "revenue_daily",
}
_LOSE: Final = """
CREATE TABLE lost AS SELECT transaction_id AS id FROM transactions
    WHERE source_partition < 4 AND source_offset % 3 = 0 OR transaction_id = 'twice';
DELETE FROM transaction_anomalies WHERE transaction_id IN (SELECT id FROM lost);
DELETE FROM transactions WHERE transaction_id IN (SELECT id FROM lost);
DELETE FROM product_views WHERE source_offset % 2 = 0;
DELETE FROM system_metrics WHERE source_partition < 3;
"""


def days() -> tuple[date, date]:
    """Whatever day the traffic's times fall on."""
    today = datetime.now(UTC).date()
    return today - timedelta(days=1), today + timedelta(days=1)


async def repaired(world: World, *, apply: bool = True) -> Repair:
    return await repair(Settings(world.environment()), *days(), apply=apply)


def one_user_per_id(records: Iterable[Sent]) -> Iterator[Sent]:
    """Leave out ids that other users, so mostly other partitions, had before."""
    owners: dict[str, bytes | None] = {}
    for record in records:
        name = re.search(rb'"transaction_id": "([^"]*)"', record.value or b"")
        if name is None or owners.setdefault(name[1].decode(), record.key) == record.key:
            yield record


def new_orders(world: World) -> AbstractAsyncContextManager[None]:
    """Live traffic without repetitions: a repeated order whose row is lost would be stored again."""
    orders = (order(f"live-{number}", f"user-{number % 30}") for number in count())
    return world.sending(([one] for one in orders), 0.005)


async def test_damaged_sums_are_repaired_under_live_traffic(world: World) -> None:
    worker = world.worker()
    await deliver(world, world.traffic.records(2000))
    async with world.load(of=400):
        await world.progress(500)
        assert (await repaired(world, apply=False)).before == []
        await world.execute(_DAMAGE)
        found = await repaired(world, apply=False)
        assert {wrong.table for wrong in found.before} == _TABLES
        assert not found.agrees
        done = await repaired(world)
        assert {wrong.table for wrong in done.before} == _TABLES
        assert done.after == []
        assert done.repaired_hours > 0
        await world.progress(500)
    await world.exact()
    assert worker.exit_code is None, worker.tail()


async def test_lost_rows_come_back_from_kafka_under_live_traffic(world: World) -> None:
    worker = world.worker()
    settings = Settings(world.environment())
    await deliver(world, one_user_per_id(world.traffic.records(2000)))
    await deliver(world, [order("twice", "ada")])
    await deliver(world, [order("twice", f"user-{number}") for number in range(12)])
    async with new_orders(world):
        await world.progress(100)
        await world.execute(_LOSE)
        lost = (await world.sql("SELECT count(*) FROM lost"))[0][0]
        done, checks = await replay_kafka(settings, *days())
        assert done.restored["transactions"] == lost
        assert done.restored["product_views"] > 0
        assert done.restored["system_metrics"] > 0
        assert all(check.agrees for check in checks), "the sums counted the rows all the while"
        again, _ = await replay_kafka(settings, *days())
        assert again.restored == Counter()

        # rows lost and sums made to fit what was left: the replay says so, the repair mends it
        await world.execute("DROP TABLE lost;" + _LOSE)
        await repaired(world)
        _, checks = await replay_kafka(settings, *days())
        assert not all(check.agrees for check in checks)
        first, last = days()
        arguments = ("--date", first.isoformat(), "--through", last.isoformat(), "--repair")
        result = await asyncio.to_thread(globalmart, world, "reconcile", *arguments)
        assert result.exit_code == 0, result.output
        assert "sums corrected" in result.stdout
    await world.exact()
    assert worker.exit_code is None, worker.tail()
