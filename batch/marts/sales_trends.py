"""`sales_trends`: revenue per day, ISO week and month, for every country and for all of them (null).

A period without a sale has no row. `revenue_growth_rate` compares with the preceding calendar period and is null
if that had no sale or no revenue. `partial` is true if the period ends after `as_of`.
"""

from datetime import date
from typing import Final

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as f
from pyspark.sql import types as t

from batch.arithmetic import MONEY, RATIO, cents, ratio, total
from batch.frames import cached, calendar_day, contract
from batch.mart import Mart
from batch.marts.fact_sales import FACT_SALES

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


def sales_trends(fact_sales: DataFrame, as_of: date, complete_before: date) -> DataFrame:
    """Returns one row per period type, period and country, and one per period for all countries.

    Computed from the exact sums of the hourly mart.
    """
    return contract(_with_growth(_periods(_daily(fact_sales)), as_of, complete_before), SCHEMA)


def _daily(fact_sales: DataFrame) -> DataFrame:
    """Returns daily sums in one partition: days times countries are few, and then nothing needs a shuffle."""
    daily = fact_sales.groupBy(f.to_date("date_time").alias("day"), "country").agg(
        total("total_amount").alias("revenue"), f.sum("transaction_count").alias("transactions")
    )
    return daily.coalesce(1)


def _periods(daily: DataFrame) -> DataFrame:
    """Returns the sums of every period, per country and for all: each day counts in twice three of them."""
    periods = [
        f.struct(
            f.lit(period_type).alias("period_type"),
            f.to_date(f.date_trunc(unit, "day")).alias("start"),
            country.alias("country"),
        )
        for period_type, unit, _ in _PERIODS
        for country in (f.col("country"), f.lit(None).cast("string"))
    ]
    each = daily.select(f.inline(f.array(*periods)), "revenue", "transactions")
    return each.groupBy("period_type", "start", "country").agg(
        total("revenue").alias("revenue"), f.sum("transactions").alias("transactions")
    )


def _following() -> Column:
    """Returns the first day of the next period."""
    kind = f.col("period_type")
    ends = ((kind == period_type, f.to_date(f.expr(following))) for period_type, _, following in _PERIODS)
    return f.coalesce(*(f.when(condition, day) for condition, day in ends))


def _with_growth(periods: DataFrame, as_of: date, complete_before: date) -> DataFrame:
    in_time = Window.partitionBy("period_type", "country").orderBy("start")
    follows = f.lag("following").over(in_time) == f.col("start")
    before = f.when(follows, cents(f.lag("revenue").over(in_time)))
    growth = ratio(cents(f.col("revenue")) - before, before, 4)
    columns = {
        "period": _period(),
        "period_start": f.col("start").cast("timestamp"),
        "revenue_growth_rate": growth,
        "partial": f.col("following") > calendar_day(complete_before),
        "analysis_date": calendar_day(as_of).cast("timestamp"),
    }
    return periods.withColumn("following", _following()).withColumns(columns)


def _period(start: str = "start") -> Column:
    """Returns `2025-12-01`, `2025-W49` (by the ISO year of its Thursday) or `2025-12`."""
    week = f.format_string("%04d-W%02d", f.year(f.date_add(start, 3)), f.weekofyear(start))
    kind = f.col("period_type")
    return (
        f.when(kind == "weekly", week)
        .when(kind == "monthly", f.date_format(start, "yyyy-MM"))
        .otherwise(f.date_format(start, "yyyy-MM-dd"))
    )


SALES_TRENDS: Final = Mart(
    "sales_trends",
    SCHEMA,
    build=lambda inputs: cached(sales_trends(inputs.rows(FACT_SALES), inputs.as_of, inputs.complete_before)),
    key=("period_type", "period", "country"),
    required=("period_type", "period", "period_start"),
    money="revenue",
    orders="transactions",
    indexes=((("period_type", 1), ("country", 1), ("period_start", 1)),),
    slices=tuple(
        f"period_type = '{kind}' AND country IS {null}"
        for kind in ("daily", "weekly", "monthly")
        for null in ("NULL", "NOT NULL")
    ),
)
