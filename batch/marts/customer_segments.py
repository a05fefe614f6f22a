"""`customer_segments`: recency, frequency, monetary value, their scores and the segment of each customer.

Recency is scored on the exact time of the last purchase and published in whole days from its UTC date to
`as_of`. The country is that of the last purchase; of two at the same microsecond the greater id is last.
`previous_segment` is the customer's segment in the published run of the greatest earlier `as_of`, null for one
it did not know.
"""

from datetime import date
from typing import Final

from pyspark.sql import DataFrame
from pyspark.sql import functions as f
from pyspark.sql import types as t

from batch import rfm
from batch.arithmetic import MONEY, total
from batch.frames import contract
from batch.labels import labelled

SCHEMA: Final = t.StructType(
    [
        t.StructField("user_id", t.StringType()),
        t.StructField("country", t.StringType()),
        t.StructField("recency", t.IntegerType()),
        t.StructField("frequency", t.LongType()),
        t.StructField("monetary", MONEY),
        t.StructField("r_score", t.IntegerType()),
        t.StructField("f_score", t.IntegerType()),
        t.StructField("m_score", t.IntegerType()),
        t.StructField("rfm_segment", t.StringType()),
        t.StructField("segment_name", t.StringType()),
        t.StructField("previous_segment", t.StringType()),
        t.StructField("last_purchase", t.TimestampType()),
        t.StructField("analysis_date", t.TimestampType()),
    ]
)
#: What is kept of each published run to know a customer's former segment.
HISTORY: Final = t.StructType(
    [t.StructField("user_id", t.StringType()), t.StructField("segment_name", t.StringType())]
)


def customer_segments(transactions: DataFrame, previous: DataFrame, as_of: date) -> DataFrame:
    """One row per customer with a purchase; `previous` has the columns of HISTORY."""
    scored = _scored(_customers(transactions))
    former = previous.select("user_id", f.col("segment_name").alias("previous_segment"))
    columns = {
        "recency": f.date_diff(f.lit(as_of), f.to_date("last_purchase")),
        "rfm_segment": f.concat("r_score", "f_score", "m_score"),
        "segment_name": rfm.segment_name(f.col("r_score"), f.col("f_score")),
        "analysis_date": f.lit(as_of).cast("timestamp"),
    }
    return contract(scored.withColumns(columns).join(former, "user_id", "left"), SCHEMA)


def _customers(transactions: DataFrame) -> DataFrame:
    last = f.struct("timestamp", "transaction_id")
    return transactions.groupBy("user_id").agg(
        f.max("timestamp").alias("last_purchase"),
        f.count("*").alias("frequency"),
        total("total_amount").alias("monetary"),
        f.max_by(labelled("country"), last).alias("country"),
    )


def _scored(customers: DataFrame) -> DataFrame:
    """Buckets: the day, the count itself, and steps of a sixteenth of a natural logarithm."""
    by_r = rfm.with_scores(customers, "last_purchase", f.to_date("last_purchase"), "r_score")
    by_f = rfm.with_scores(by_r, "frequency", f.col("frequency"), "f_score")
    logarithm = f.floor(f.log1p(f.col("monetary").cast("double")) * 16)
    return rfm.with_scores(by_f, "monetary", logarithm, "m_score")
