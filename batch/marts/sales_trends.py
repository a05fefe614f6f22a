"""`sales_trends`: revenue per day, ISO week and month, for every country and for all of them (null).

A period without a sale has no row. `revenue_growth_rate` compares with the calendar's period before and is null
where that had no sale or no revenue. `partial` is true while the period is not over at the end of `as_of`.
"""

from datetime import date, timedelta
from functools import reduce
from typing import Final

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as f
from pyspark.sql import types as t

from batch.arithmetic import MONEY, RATIO, cents, ratio, total
from batch.frames import cached, contract

SCHEMA: Final = t.StructType(
    [
        t.StructField("period_type", t.StringType()),
        t.StructField("period", t.StringType()),
        t.StructField("period_start", t.TimestampType()),
        t.StructField("country", t.StringType()),
        t.StructField("revenue", MONEY),
        t.StructField("transactions", t.LongType()),
        t.StructField("revenue_growth_rate", RATIO),
        t.StructField("partial", t.BooleanType()),
        t.StructField("analysis_date", t.TimestampType()),
    ]
)
#: Period type, unit of date_trunc, and the SQL of the next period's first day.
_PERIODS: Final = (
    ("daily", "day", "date_add(start, 1)"),
    ("weekly", "week", "date_add(start, 7)"),
    ("monthly", "month", "add_months(start, 1)"),
)


def sales_trends(fact_sales: DataFrame, as_of: date) -> DataFrame:
    """One row per period type, period and country, and one per period for all countries.

    Made from the hourly mart: sums of its exact sums. Its days are cached: else each kind of period reads it twice.
    """
    daily = cached(_daily(fact_sales))
    periods = reduce(DataFrame.unionByName, (_periods(daily, *period) for period in _PERIODS))
    return contract(_with_growth(periods, as_of), SCHEMA)


def _daily(fact_sales: DataFrame) -> DataFrame:
    """In one partition: days times countries are few, and whatever is made of them needs no shuffle."""
    daily = fact_sales.groupBy(f.to_date("date_time").alias("day"), "country").agg(
        total("total_amount").alias("revenue"), f.sum("transaction_count").alias("transactions")
    )
    return daily.coalesce(1)


def _periods(daily: DataFrame, period_type: str, unit: str, following: str) -> DataFrame:
    start = f.to_date(f.date_trunc(unit, "day")).alias("start")
    sums = (total("revenue").alias("revenue"), f.sum("transactions").alias("transactions"))
    per_country = daily.groupBy(start, "country").agg(*sums)
    everywhere = daily.groupBy(start).agg(*sums).withColumn("country", f.lit(None).cast("string"))
    both = per_country.unionByName(everywhere)
    return both.withColumns({"period_type": f.lit(period_type), "following": f.to_date(f.expr(following))})


def _with_growth(periods: DataFrame, as_of: date) -> DataFrame:
    in_time = Window.partitionBy("period_type", "country").orderBy("start")
    follows = f.lag("following").over(in_time) == f.col("start")
    before = f.when(follows, cents(f.lag("revenue").over(in_time)))
    growth = ratio(cents(f.col("revenue")) - before, before, 4)
    columns = {
        "period": _period(),
        "period_start": f.col("start").cast("timestamp"),
        "revenue_growth_rate": growth,
        "partial": f.col("following") > f.lit(as_of + timedelta(days=1)),
        "analysis_date": f.lit(as_of).cast("timestamp"),
    }
    return periods.withColumns(columns)


def _period(start: str = "start") -> Column:
    """`2025-12-01`, `2025-W49` by the ISO year of its Thursday, `2025-12`."""
    week = f.format_string("%04d-W%02d", f.year(f.date_add(start, 3)), f.weekofyear(start))
    kind = f.col("period_type")
    return (
        f.when(kind == "weekly", week)
        .when(kind == "monthly", f.date_format(start, "yyyy-MM"))
        .otherwise(f.date_format(start, "yyyy-MM-dd"))
    )
