"""`fact_sales`: one row per hour, country and category with a sale.

An order without a country or category counts as `unknown`.
"""

from typing import Final

from pyspark.sql import DataFrame
from pyspark.sql import functions as f
from pyspark.sql import types as t

from app.topics import TRANSACTIONS
from batch.arithmetic import MONEY, average, money, order_cents, total_cents
from batch.frames import cached, contract
from batch.mart import Mart
from batch.unknowns import or_unknown

SCHEMA: Final = t.StructType(
    [
        t.StructField("date_time", t.TimestampType()),
        t.StructField("country", t.StringType()),
        t.StructField("category", t.StringType()),
        t.StructField("total_amount", MONEY),
        t.StructField("transaction_count", t.LongType()),
        t.StructField("avg_transaction_value", MONEY),
    ]
)


def fact_sales(transactions: DataFrame) -> DataFrame:
    """Returns sums per hour [start, end) in UTC, country and category."""
    keys = (
        f.date_trunc("hour", "timestamp").alias("date_time"),
        or_unknown("country").alias("country"),
        or_unknown("category").alias("category"),
    )
    sums = (
        transactions.withColumn("cents", order_cents("total_amount"))
        .groupBy(*keys)
        .agg(total_cents("cents").alias("cents"), f.count("*").alias("transaction_count"))
    )
    columns = {
        "total_amount": money(f.col("cents")),
        "avg_transaction_value": average(f.col("cents"), f.col("transaction_count")),
    }
    return contract(sums.withColumns(columns), SCHEMA)


FACT_SALES: Final = Mart(
    "fact_sales",
    SCHEMA,
    build=lambda inputs: cached(fact_sales(inputs.events[TRANSACTIONS])),
    key=("date_time", "country", "category"),
    required=("date_time", "country", "category"),
    money="total_amount",
    orders="transaction_count",
    indexes=((("date_time", 1),), (("country", 1), ("date_time", 1))),
    fact_time="date_time",
)
