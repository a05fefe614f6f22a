"""Whole runs: PostgreSQL, lake, Spark, MongoDB."""

import copy
from datetime import date, timedelta
from decimal import Decimal

import pytest

from app.errors import LockHeldError, QualityError
from batch.adbc import batch_lock
from batch.lake import Lake
from batch.sources import LAKE_TABLES
from tests.batch import expected
from tests.batch.generated import Row, Shop, make_shop
from tests.batch.nights import Nights, assert_published

_AS_OF = date(2026, 1, 2)
_GAP = timedelta(minutes=30)


def _wanted(shop: Shop, previous: dict[str, str], as_of: date = _AS_OF) -> dict[str, list[Row]]:
    """All marts of what happened on or before `as_of`."""
    shop = _until(shop, as_of)
    segments = expected.customer_segments(shop, previous, as_of)
    return {
        "customer_segments": segments,
        "fact_sales": expected.fact_sales(shop),
        "fact_sessions": expected.fact_sessions(shop, _GAP),
        "product_performance": expected.product_performance(shop),
        "sales_trends": expected.sales_trends(shop, as_of),
        "segment_migrations": expected.segment_migrations(segments),
    }


def _until(shop: Shop, as_of: date) -> Shop:
    """What happened on or before a day."""
    fields = (
        [row for row in rows if row["timestamp"].date() <= as_of]
        for rows in (shop.transactions, shop.product_views, shop.cart_events)
    )
    return Shop(*fields)


async def test_two_nights_and_late_arrivals_equal_plain_python_and_a_full_rebuild(nights: Nights) -> None:
    shop = make_shop(seed=3, visits=250)
    late = [row for row in shop.transactions if row["transaction_id"].startswith("lone-1")]
    early = copy.copy(shop.transactions)
    shop.transactions[:] = [row for row in early if row not in late]
    await nights.insert_shop(shop)
    first_day = _AS_OF - timedelta(days=3)

    first = nights.run(first_day)
    assert_published(nights, _wanted(shop, {}, first_day))
    former = {row["user_id"]: row["segment_name"] for row in nights.documents("customer_segments")}
    held = nights.pointer["marts"]
    seen_before = nights.everything()

    shop.transactions[:] = early
    await nights.insert(LAKE_TABLES["transactions"], late)
    second = nights.run(_AS_OF)
    assert_published(nights, _wanted(shop, former))
    assert second.extracted_rows < first.extracted_rows
    facts = {one.mart.name: one.written for one in second.staged if one.mart.fact_time}
    assert facts["fact_sales"] < len(nights.documents("fact_sales"))

    for mart, entry in held.items():
        assert sorted(nights.documents_of(entry, mart), key=str) == seen_before[mart]

    published = nights.everything()
    rebuilt = nights.run(_AS_OF, full=True)
    assert rebuilt.snapshot == second.snapshot
    assert nights.everything() == published
    assert {one.mart.name: one.written for one in rebuilt.staged if one.mart.fact_time} == {
        "fact_sales": 0,
        "fact_sessions": 0,
    }
    assert [run["status"] for run in nights.log] == ["published"] * 3
    assert nights.log[1]["sums"]["fact_sales"].to_decimal() == sum(
        (row["total_amount"] for row in _until(shop, _AS_OF).transactions), Decimal(0)
    )
    assert not list(
        Lake(str(nights.settings.general.var_dir / "lake")).read_manifest().all_files() - set(_parquet(nights))
    )
    text = (nights.settings.general.var_dir / "batch.prom").read_text()
    rows = len(published["fact_sessions"])
    assert f'globalmart_batch_rows{{mart="fact_sessions"}} {float(rows)}' in text


def _parquet(nights: Nights) -> list[str]:
    lake = nights.settings.general.var_dir / "lake"
    return [path.relative_to(lake).as_posix() for path in lake.glob("*/day=*/*.parquet")]


async def test_going_back_a_day_shows_that_day_again(nights: Nights) -> None:
    shop = make_shop(seed=4, visits=60)
    await nights.insert_shop(shop)
    earlier = _AS_OF - timedelta(days=2)
    nights.run(earlier)
    first = nights.everything()
    nights.run(_AS_OF)
    nights.run(earlier)
    assert nights.everything() == first


async def test_each_job_publishes_its_marts_and_leaves_the_others(nights: Nights) -> None:
    shop = make_shop(seed=5, visits=60)
    await nights.insert_shop(shop)
    nights.run(_AS_OF, "etl")
    assert sorted(nights.pointer["marts"]) == ["fact_sales", "fact_sessions"]
    nights.run(_AS_OF, "rfm")
    nights.run(_AS_OF, "trends")
    nights.run(_AS_OF, "products")
    nights.run(_AS_OF, "etl")
    assert_published(nights, _wanted(shop, {}))


async def test_raw_rows_may_leave_postgresql(nights: Nights) -> None:
    shop = make_shop(seed=6, visits=60)
    await nights.insert_shop(shop)
    nights.run(_AS_OF)
    published = nights.everything()
    for table in ("transactions", "product_views", "cart_events"):
        await nights.execute(f"DELETE FROM {table} WHERE timestamp < '2025-12-20 12:00Z'")
    nights.run(_AS_OF, full=True)
    assert nights.everything() == published


async def test_only_one_run_at_a_time(nights: Nights) -> None:
    with batch_lock(nights.settings.postgres), pytest.raises(LockHeldError, match="another batch run holds the lock"):
        nights.run(_AS_OF)
    assert nights.log == []


async def test_a_failed_check_leaves_what_is_published(nights: Nights) -> None:
    shop = make_shop(seed=7, visits=60)
    await nights.insert_shop(shop)
    nights.run(_AS_OF)
    published, pointer = nights.everything(), nights.pointer
    with pytest.raises(QualityError, match=r"newest transaction is of 2026-01-0\d, \d\d days"):
        nights.run(_AS_OF + timedelta(days=30))
    lake = Lake(str(nights.settings.general.var_dir / "lake"))
    manifest = lake.read_manifest()
    lake_day = next(iter(manifest.days("transactions").values()))
    rows = lake.read_file(lake_day.file)
    with lake.new_file(LAKE_TABLES["transactions"], _AS_OF) as file:
        file.write(rows.slice(1))
    (nights.settings.general.var_dir / "lake" / file.name).replace(
        nights.settings.general.var_dir / "lake" / lake_day.file
    )
    with pytest.raises(QualityError, match=r"fact_sales: .*PostgreSQL"):
        nights.run(_AS_OF)
    assert (nights.everything(), nights.pointer) == (published, pointer)
    assert [run["status"] for run in nights.log] == ["published", "failed", "failed"]
    assert "PostgreSQL" in nights.log[-1]["error"]
