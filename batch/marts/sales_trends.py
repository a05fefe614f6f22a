"""`sales_trends`: revenue per day, ISO week and month, for every country and for all of them (null).

A period without a sale has no row. `revenue_growth_rate` compares with the calendar's period before and is null
where that had no sale or no revenue. `partial` is true while the period is not over at the end of `as_of`.
"""

from datetime import date, timedelta
from functools import reduce
from typing import Final

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as f
from pyspark.sql import types as t

from batch.arithmetic import MONEY, RATIO, cents, ratio, total
from batch.frames import contract
from batch.labels import labelled

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


def sales_trends(transactions: DataFrame, as_of: date) -> DataFrame:
    """One row per period type, period and country, and one per period for all countries."""
    daily = _daily(transactions)
    periods = reduce(DataFrame.unionByName, (_periods(daily, *period) for period in _PERIODS))
    return contract(_with_growth(periods, as_of), SCHEMA)


def _daily(transactions: DataFrame) -> DataFrame:
    days = transactions.select(
        f.to_date("timestamp").alias("day"), labelled("country").alias("country"), "total_amount"
    )
    return days.groupBy("day", "country").agg(
        total("total_amount").alias("revenue"), f.count("*").alias("transactions")
    )


def _periods(daily: DataFrame, period_type: str, unit: str, following: str) -> DataFrame:
    start = f.to_date(f.date_trunc(unit, "day")).alias("start")
    sums = (total("revenue").alias("revenue"), f.sum("transactions").alias("transactions"))
    per_country = daily.groupBy(start, "country").agg(*sums)
    everywhere = daily.groupBy(start).agg(*sums).withColumn("country", f.lit(None).cast("string"))
    both = per_country.unionByName(everywhere)
    return both.withColumns(
        {"period_type": f.lit(period_type), "following": f.to_date(f.expr(following))}
    )


def _with_growth(periods: DataFrame, as_of: date) -> DataFrame:
    before = periods.select(
        f.col("period_type").alias("type_before"),
        f.col("country").alias("country_before"),
        f.col("following").alias("start_after"),
        f.col("revenue").alias("revenue_before"),
    )
    same = (
        (f.col("period_type") == f.col("type_before"))
        & (f.col("start") == f.col("start_after"))
        & f.col("country").eqNullSafe(f.col("country_before"))
    )
    growth = ratio(
        cents(f.col("revenue")) - cents(f.col("revenue_before")), cents(f.col("revenue_before")), 4
    )
    columns = {
        "period": _period(),
        "period_start": f.col("start").cast("timestamp"),
        "revenue_growth_rate": growth,
        "partial": f.col("following") > f.lit(as_of + timedelta(days=1)),
        "analysis_date": f.lit(as_of).cast("timestamp"),
    }
    return periods.join(before, same, "left").withColumns(columns)


def _period(start: str = "start") -> Column:
    """`2025-12-01`, `2025-W49` by the ISO year of its Thursday, `2025-12`."""
    week = f.format_string("%04d-W%02d", f.year(f.date_add(start, 3)), f.weekofyear(start))
    kind = f.col("period_type")
    return (
        f.when(kind == "weekly", week)
        .when(kind == "monthly", f.date_format(start, "yyyy-MM"))
        .otherwise(f.date_format(start, "yyyy-MM-dd"))
    )
