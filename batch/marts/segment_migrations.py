"""`segment_migrations`: number of customers by previous and current segment.

Customers who stayed are counted as well; `from` is `(none)` for customers without a previous segment. Revenue is the
customers' total monetary value.
"""

from typing import Final

from pyspark.sql import DataFrame
from pyspark.sql import functions as f
from pyspark.sql import types as t

from app.domain.names import NO_SEGMENT
from batch.arithmetic import MONEY, total
from batch.frames import cached, contract
from batch.mart import Mart
from batch.marts.customer_segments import CUSTOMER_SEGMENTS

SCHEMA: Final = t.StructType(
    [
        t.StructField("from", t.StringType()),
        t.StructField("to", t.StringType()),
        t.StructField("customers", t.LongType()),
        t.StructField("revenue", MONEY),
        t.StructField("analysis_date", t.TimestampType()),
    ]
)


def segment_migrations(customer_segments: DataFrame) -> DataFrame:
    """Returns counts and revenue per pair of segments, from the mart of customers."""
    former = f.coalesce(f.col("previous_segment"), f.lit(NO_SEGMENT)).alias("from")
    pairs = customer_segments.groupBy(former, f.col("segment_name").alias("to")).agg(
        f.count("*").alias("customers"),
        total("monetary").alias("revenue"),
        f.max("analysis_date").alias("analysis_date"),
    )
    return contract(pairs, SCHEMA)


SEGMENT_MIGRATIONS: Final = Mart(
    "segment_migrations",
    SCHEMA,
    build=lambda inputs: cached(segment_migrations(inputs.rows(CUSTOMER_SEGMENTS))),
    key=("from", "to"),
    required=("from", "to"),
    money="revenue",
    orders=None,
    indexes=(),
    bounded=False,
)
