"""`customer_segments`: recency, frequency, monetary value, their scores and the segment of each customer.

Recency is scored on the exact time of the last purchase and published in whole days from its UTC date to
`as_of`. The country is that of the last purchase; of two at the same microsecond the greater id is last.
`previous_segment` is the customer's segment in the published run of the greatest earlier `as_of`, null if that
run did not have the customer.
"""

from datetime import date
from typing import Final

from pyspark.sql import DataFrame
from pyspark.sql import functions as f
from pyspark.sql import types as t

from app.topics import TRANSACTIONS
from batch import rfm
from batch.arithmetic import MONEY, money, order_cents, total_cents
from batch.frames import cached, calendar_day, contract
from batch.mart import Mart, MartInputs
from batch.unknowns import or_unknown

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
#: The columns stored of each published run for the customers' previous segments.
HISTORY: Final = t.StructType([t.StructField("user_id", t.StringType()), t.StructField("segment_name", t.StringType())])


def customer_segments(customers: DataFrame, previous: DataFrame, as_of: date) -> DataFrame:
    """Returns one row per customer; `customers` from `customer_totals`, `previous` with the columns of HISTORY.

    Executes Spark jobs.
    """
    scored = _scored(customers)
    former = previous.select("user_id", f.col("segment_name").alias("previous_segment"))
    columns = {
        "recency": f.date_diff(calendar_day(as_of), f.to_date("last_purchase")),
        "rfm_segment": f.concat("r_score", "f_score", "m_score"),
        "segment_name": rfm.segment_name(f.col("r_score"), f.col("f_score")),
        "analysis_date": calendar_day(as_of).cast("timestamp"),
    }
    return contract(scored.withColumns(columns).join(former, "user_id", "left"), SCHEMA)


def customer_totals(transactions: DataFrame) -> DataFrame:
    """Returns last purchase, number, sum and country of every customer with a purchase, cached; executes Spark jobs.

    Sums are computed per customer and country, so no text is aggregated over orders: that would sort them all.
    """
    orders = transactions.withColumn("cents", order_cents("total_amount"))
    per_country = orders.groupBy("user_id", "country").agg(
        f.max("timestamp").alias("last"), f.count("*").alias("orders"), total_cents("cents").alias("cents")
    )
    customers = per_country.groupBy("user_id").agg(
        f.max("last").alias("last_purchase"),
        f.sum("orders").alias("frequency"),
        money(total_cents("cents")).alias("monetary"),
        f.max(f.struct("last", "country"))["country"].alias("country"),
        f.collect_list("last").alias("lasts"),
    )
    countries = f.size(f.filter("lasts", lambda last: last == f.col("last_purchase")))
    return _with_last_country(cached(customers.withColumn("countries", countries).drop("lasts")), transactions)


def _with_last_country(customers: DataFrame, transactions: DataFrame) -> DataFrame:
    """Decides the country of customers with simultaneous last purchases in several countries by the greatest id.

    Usually there is no such customer, and the orders are not read again.
    """
    tied = customers.where(f.col("countries") > 1).select("user_id", "last_purchase")
    if tied.isEmpty():
        return customers.withColumn("country", or_unknown("country")).drop("countries")
    ambiguous = f.broadcast(tied)
    candidates = transactions.join(
        ambiguous, (transactions.user_id == ambiguous.user_id) & (f.col("timestamp") == f.col("last_purchase"))
    ).drop(ambiguous.user_id)
    decided = candidates.groupBy("user_id").agg(f.max_by(or_unknown("country"), "transaction_id").alias("decided"))
    country = f.coalesce(f.col("decided"), or_unknown("country"))
    both = customers.join(decided, "user_id", "left").withColumn("country", country).drop("countries", "decided")
    return cached(both)


def _scored(customers: DataFrame) -> DataFrame:
    """Adds the scores; buckets are the day, the count itself, and sixteenths of a natural logarithm."""
    cents = order_cents("monetary")
    logarithm = f.floor(f.log1p(cents.cast("double")) * 16)
    measures = {
        "r_score": (f.unix_micros("last_purchase"), f.unix_date(f.to_date("last_purchase")).cast("bigint")),
        "f_score": (f.col("frequency"), f.col("frequency")),
        "m_score": (cents, logarithm),
    }
    return rfm.with_scores(customers, measures)


def _build(inputs: MartInputs) -> DataFrame:
    customers = customer_totals(inputs.events[TRANSACTIONS])
    return cached(customer_segments(customers, inputs.previous_segments, inputs.as_of))


CUSTOMER_SEGMENTS: Final = Mart(
    "customer_segments",
    SCHEMA,
    build=_build,
    key=("user_id",),
    required=("user_id", "country", "r_score", "f_score", "m_score", "segment_name"),
    money="monetary",
    orders="frequency",
    indexes=((("segment_name", 1), ("country", 1)), (("country", 1),)),
)
