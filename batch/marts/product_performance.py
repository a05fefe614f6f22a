"""`product_performance`: what each product sold and how it was looked at, per country and for all (null).

Orders without a product are not in it. `conversion` is orders per view with four places, null without a view,
and may exceed 1. A product's category is that of its latest event that names one; of several at the
same microsecond the greatest.
"""

from functools import reduce
from typing import Final

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as f
from pyspark.sql import types as t

from batch.arithmetic import MONEY, RATIO, average, ratio, total
from batch.frames import Events, contract
from batch.labels import UNKNOWN, labelled

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
_COUNTS: Final = ("units", "transaction_count", "views", "cart_adds")


def product_performance(per_country: DataFrame) -> DataFrame:
    """One row per product and country with any event, and one per product for all countries.

    `per_country` as `product_events` makes it; it is read several times: persist it.
    """
    everywhere = _summed(per_country, "product_id").withColumn(
        "country", f.lit(None).cast("string")
    )
    category = f.max_by("category", "category_seen")
    categories = per_country.groupBy("product_id").agg(category.alias("category"))
    rows = _summed(per_country, "product_id", "country").unionByName(everywhere)
    return contract(_with_ratios(rows.join(categories, "product_id")), SCHEMA)


def product_events(events: Events) -> DataFrame:
    """Sums of each kind of event side by side, with the latest category and when it was seen."""
    sold = events.transactions.where(f.col("product_id").isNotNull())
    added = events.cart_events.where(f.col("action") == "add")
    kinds = (
        _counted(sold, f.count("*"), "transaction_count", units=f.sum("quantity")),
        _counted(events.product_views, f.count("*"), "views"),
        _counted(added, f.count("*"), "cart_adds"),
        # Other changes of a cart count nothing, but they too name categories.
        _counted(events.cart_events.where(f.col("action") != "add"), f.lit(0), "cart_adds"),
    )
    return reduce(DataFrame.unionByName, kinds)


def _counted(rows: DataFrame, count: Column, name: str, units: Column | None = None) -> DataFrame:
    zero = f.lit(0).cast("long")
    revenue = f.lit(0).cast(MONEY) if units is None else total("total_amount")
    seen = f.max(f.when(f.col("category").isNotNull(), f.struct("timestamp", "category")))
    columns = dict.fromkeys(_COUNTS, zero) | {name: count.cast("long")}
    if units is not None:
        columns["units"] = units.cast("long")
    return (
        rows.groupBy("product_id", labelled("country").alias("country"))
        .agg(revenue.alias("revenue"), seen.alias("category_seen"), *_aliased(columns))
        .withColumn("category", f.col("category_seen.category"))
    )


def _aliased(columns: dict[str, Column]) -> list[Column]:
    return [column.alias(name) for name, column in columns.items()]


def _summed(rows: DataFrame, *keys: str) -> DataFrame:
    sums = [f.sum(name).alias(name) for name in _COUNTS]
    return rows.groupBy(*keys).agg(total("revenue").alias("revenue"), *sums)


def _with_ratios(rows: DataFrame) -> DataFrame:
    orders = f.col("transaction_count")
    return rows.withColumns(
        {
            "category": f.coalesce(f.col("category"), f.lit(UNKNOWN)),
            "avg_transaction_value": average(f.col("revenue"), orders),
            "conversion": ratio(orders, f.col("views"), 4),
        }
    )
