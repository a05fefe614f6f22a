"""`product_performance`: sales, views and cart adds of each product, per country and for all countries (null).

Orders without a product are not in it. `conversion` is orders per view with four places, null without a view,
and may exceed 1. A product's category is that of its latest event that has one; of several at the
same microsecond the greatest.
"""

from collections.abc import Mapping
from functools import reduce
from typing import Final

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as f
from pyspark.sql import types as t

from app.topics import CART_EVENTS, PRODUCT_VIEWS, TRANSACTIONS
from batch.arithmetic import MONEY, RATIO, average, money, order_cents, share, total_cents
from batch.frames import Events, cached, contract
from batch.mart import Mart
from batch.unknowns import named, or_unknown

SCHEMA: Final = t.StructType(
    [
        t.StructField("product_id", t.StringType()),
        t.StructField("country", t.StringType()),
        t.StructField("category", t.StringType()),
        t.StructField("revenue", MONEY),
        t.StructField("units", t.LongType()),
        t.StructField("transaction_count", t.LongType()),
        t.StructField("avg_transaction_value", MONEY),
        t.StructField("views", t.LongType()),
        t.StructField("cart_adds", t.LongType()),
        t.StructField("conversion", RATIO),
    ]
)
_SUMS: Final = ("cents", "units", "transaction_count", "views", "cart_adds")


def product_performance(per_country: DataFrame) -> DataFrame:
    """Returns one row per product and country with any event, and one per product for all countries.

    `per_country` comes from `product_events`; it is read several times: persist it.
    """
    together = per_country.repartition("product_id")
    everywhere = _summed(together, "product_id").withColumn("country", f.lit(None).cast("string"))
    rows = _summed(together, "product_id", "country").unionByName(everywhere)
    return contract(_with_ratios(rows.join(_categories(together), "product_id")), SCHEMA)


def product_events(events: Events) -> DataFrame:
    """Returns sums per product, country and category, and the time of the category's last event.

    The category is a key, so no text is aggregated over events: that would sort them all.
    """
    orders = events[TRANSACTIONS].where(f.col("product_id").isNotNull())
    sold = {"cents": order_cents("total_amount"), "units": f.col("quantity"), "transaction_count": f.lit(1)}
    # Other changes of a cart count nothing, but they also have categories.
    added = f.when(f.col("action") == "add", 1).otherwise(0)
    kinds = (
        _events(orders, sold),
        _events(events[PRODUCT_VIEWS], {"views": f.lit(1)}),
        _events(events[CART_EVENTS], {"cart_adds": added}),
    )
    sums = [total_cents(name).alias(name) for name in _SUMS]
    return (
        reduce(DataFrame.unionByName, kinds)
        .groupBy("product_id", "country", "category")
        .agg(f.max("timestamp").alias("seen"), *sums)
    )


def _events(rows: DataFrame, counts: Mapping[str, Column]) -> DataFrame:
    """Selects the same columns for every kind of event; counts of other kinds are 0."""
    zero = f.lit(0)
    values = [counts.get(name, zero).cast("bigint").alias(name) for name in _SUMS]
    place = (or_unknown("country").alias("country"), named("category").alias("category"))
    return rows.select("product_id", *place, "timestamp", *values)


def _summed(rows: DataFrame, *keys: str) -> DataFrame:
    return rows.groupBy(*keys).agg(*(total_cents(name).alias(name) for name in _SUMS))


def _categories(rows: DataFrame) -> DataFrame:
    """Returns the latest category of each product; null for one without any."""
    seen = rows.groupBy("product_id", "category").agg(f.max("seen").alias("seen"))
    latest = f.max(f.when(f.col("category").isNotNull(), f.struct("seen", "category")))
    return seen.groupBy("product_id").agg(latest["category"].alias("category"))


def _with_ratios(rows: DataFrame) -> DataFrame:
    orders = f.col("transaction_count")
    return rows.withColumns(
        {
            "category": or_unknown("category"),
            "revenue": money(f.col("cents")),
            "avg_transaction_value": average(f.col("cents"), orders),
            "conversion": share(orders, f.col("views")),
        }
    )


PRODUCT_PERFORMANCE: Final = Mart(
    "product_performance",
    SCHEMA,
    build=lambda inputs: cached(product_performance(cached(product_events(inputs.events)))),
    key=("product_id", "country"),
    required=("product_id", "category"),
    money="revenue",
    orders="transaction_count",
    indexes=(
        (("country", 1), ("revenue", -1), ("product_id", 1)),
        (("category", 1), ("country", 1), ("revenue", -1), ("product_id", 1)),
    ),
    slices=("country IS NULL", "country IS NOT NULL"),
    products_only=True,
)
