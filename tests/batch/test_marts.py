"""Every mart of generated data equals plain Python's, whatever the order of the rows."""

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from functools import cache

import pytest
from pyspark.sql import DataFrame, SparkSession

from app.topics import TRANSACTIONS
from batch.frames import Events
from batch.marts.customer_segments import HISTORY, customer_segments, customer_totals
from batch.marts.fact_sales import fact_sales
from batch.marts.fact_sessions import fact_sessions
from batch.marts.product_performance import product_events, product_performance
from batch.marts.sales_trends import sales_trends
from batch.marts.segment_migrations import segment_migrations
from batch.sources import LAKE_TABLES
from tests.batch import expected
from tests.batch.generated import Row, Shop, by_key, make_shop

_AS_OF = date(2026, 1, 2)
_GAP = timedelta(minutes=30)
_PREVIOUS = {f"u{number}": "Champions" for number in range(0, 100, 3)}

_shop = cache(make_shop)


def _events(spark: SparkSession, shop: Shop, seed: int) -> Events:
    return {
        name: spark.createDataFrame(shop.arrow(source, seed)).repartition(3) for name, source in LAKE_TABLES.items()
    }


def _rows(frame: DataFrame) -> list[Row]:
    rows: list[Row] = frame.toArrow().to_pylist()
    return rows


def _segments(spark: SparkSession, events: Events) -> DataFrame:
    previous = spark.createDataFrame(list(_PREVIOUS.items()), HISTORY)
    return customer_segments(customer_totals(events[TRANSACTIONS]).persist(), previous, _AS_OF)


def _expected_segments(shop: Shop) -> list[Row]:
    return expected.customer_segments(shop, _PREVIOUS, _AS_OF)


_MARTS: list[tuple[str, Callable[[SparkSession, Events], DataFrame], Callable[[Shop], list[Row]], Sequence[str]]] = [
    (
        "fact_sales",
        lambda _, events: fact_sales(events[TRANSACTIONS]),
        expected.fact_sales,
        ("date_time", "country", "category"),
    ),
    (
        "fact_sessions",
        lambda _, events: fact_sessions(events, _GAP),
        lambda shop: expected.fact_sessions(shop, _GAP),
        ("session_id",),
    ),
    ("customer_segments", _segments, _expected_segments, ("user_id",)),
    (
        "segment_migrations",
        lambda spark, events: segment_migrations(_segments(spark, events)),
        lambda shop: expected.segment_migrations(_expected_segments(shop)),
        ("from", "to"),
    ),
    (
        "sales_trends",
        lambda _, events: sales_trends(fact_sales(events[TRANSACTIONS]).persist(), _AS_OF, _AS_OF + timedelta(days=1)),
        lambda shop: expected.sales_trends(shop, _AS_OF),
        ("period_type", "period", "country"),
    ),
    (
        "product_performance",
        lambda _, events: product_performance(product_events(events).persist()),
        expected.product_performance,
        ("product_id", "country"),
    ),
]


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize(("mart", "make", "expect", "keys"), _MARTS, ids=[m[0] for m in _MARTS])
def test_a_mart_equals_plain_python(
    spark: SparkSession,
    mart: str,
    make: Callable[[SparkSession, Events], DataFrame],
    expect: Callable[[Shop], list[Row]],
    keys: Sequence[str],
    seed: int,
) -> None:
    found = by_key(_rows(make(spark, _events(spark, _shop(), seed))), *keys)
    wanted = by_key(expect(_shop()), *keys)
    assert found.keys() == wanted.keys()
    assert [(row, wanted[key]) for key, row in found.items() if row != wanted[key]] == []


def _of_one_country(shop: Shop) -> Shop:
    """No session has several users or countries."""
    return _changed(shop, lambda row: {**row, "country": "USA"})


def _of_several_users(shop: Shop) -> Shop:
    """Every other event, whatever its session, is somebody else's; countries are as they were."""
    return _changed(shop, lambda row: {**row, "user_id": f"{row['user_id']}-{row['source_offset'] % 2}"})


def _changed(shop: Shop, change: Callable[[Row], Row]) -> Shop:
    sources = LAKE_TABLES.values()
    return Shop(*([change(row) for row in shop.rows(source)] for source in sources))


@pytest.mark.parametrize("change", [_of_one_country, _of_several_users])
def test_sessions_with_and_without_a_doubt(spark: SparkSession, change: Callable[[Shop], Shop]) -> None:
    shop = change(_shop())
    found = by_key(_rows(fact_sessions(_events(spark, shop, 3), _GAP)), "session_id")
    assert found == by_key(expected.fact_sessions(shop, _GAP), "session_id")


def test_the_generated_shop_has_what_is_hard() -> None:
    sessions = expected.fact_sessions(_shop(), _GAP)
    assert {row["converted"] for row in sessions} == {True, False}
    assert {row["abandoned"] for row in sessions} == {True, False}
    assert any(row["started_at"].date() != row["ended_at"].date() for row in sessions)
    lone = [row for row in sessions if "@" in row["session_id"]]
    assert any(row["transactions"] > 1 for row in lone)
    segments = _expected_segments(_shop())
    assert len({row["segment_name"] for row in segments}) >= 8
    growth = [row["revenue_growth_rate"] for row in expected.sales_trends(_shop(), _AS_OF)]
    assert None in growth and any(rate < 0 for rate in growth if rate is not None)
