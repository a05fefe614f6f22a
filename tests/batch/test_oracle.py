"""What is published equals DuckDB's own account, whatever the order of the rows in PostgreSQL."""

import random
from datetime import date, timedelta

from batch.sources import LAKE_TABLES
from tests.batch import oracle
from tests.batch.generated import Shop, make_shop
from tests.batch.nights import Nights, assert_published

_GAP = timedelta(minutes=30)
#: The generated shop opens on 2025-11-24; moved so far it ends in the week 2020-W53, in January.
_TO_WEEK_53 = timedelta(weeks=-260)
_AS_OF = date(2021, 1, 3)
_SOURCES = LAKE_TABLES.values()


def _moved(shop: Shop, by: timedelta) -> Shop:
    for source in _SOURCES:
        for row in shop.rows(source):
            row["timestamp"] += by
    return shop


def _shuffle(shop: Shop, seed: int) -> None:
    for source in _SOURCES:
        random.Random(seed).shuffle(shop.rows(source))


async def test_two_nights_equal_duckdb_in_any_order_of_rows(nights: Nights) -> None:
    shop = _moved(make_shop(seed=21, visits=250), _TO_WEEK_53)
    await nights.insert_shop(shop)
    before = _AS_OF - timedelta(days=3)
    nights.run(before)
    assert_published(nights, oracle.marts_of(shop, before, _GAP))
    former = {row["user_id"]: row["segment_name"] for row in nights.documents("customer_segments")}

    wanted = oracle.marts_of(shop, _AS_OF, _GAP, former)
    last_week = [row for row in wanted["sales_trends"] if row["period"] == "2020-W53"]
    assert last_week and not any(row["partial"] for row in last_week)
    first = nights.run(_AS_OF)
    assert_published(nights, wanted)

    _shuffle(shop, seed=22)
    await nights.execute("TRUNCATE transactions, product_views, cart_events")
    await nights.insert_shop(shop)
    again = nights.run(_AS_OF, full=True)
    assert again.snapshot == first.snapshot
    assert [one.written for one in again.staged if one.mart.fact_time] == [0, 0]
    assert_published(nights, wanted)
