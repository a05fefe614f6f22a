"""`fact_sales`: one row per hour, country and category that sold something.

An order without a country or category counts under `unknown`.
"""

from typing import Final

from pyspark.sql import DataFrame
from pyspark.sql import functions as f
from pyspark.sql import types as t

from batch.arithmetic import MONEY, average, total
from batch.frames import contract
from batch.labels import labelled

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
    """Sums per hour [start, end) in UTC, country, category."""
    keys = (
        f.date_trunc("hour", "timestamp").alias("date_time"),
        labelled("country").alias("country"),
        labelled("category").alias("category"),
    )
    sums = transactions.groupBy(*keys).agg(
        total("total_amount").alias("total_amount"), f.count("*").alias("transaction_count")
    )
    value = average(f.col("total_amount"), f.col("transaction_count"))
    return contract(sums.withColumn("avg_transaction_value", value), SCHEMA)
