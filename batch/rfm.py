"""RFM: names, and scores by value counts: tie-safe, independent of row order, parallel.

For N customers and ascending competition rank k (1 = worst), score = floor((k - 1) * 5 / N) + 1. k - 1 is the
number of customers with a smaller value, so it is enough to count customers per value and to cumulate the
counts. They are cumulated within buckets that keep the values' order, each bucket offset by the buckets
below it, so no partition ever holds all values.
"""

from typing import Final

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as f

SCORES: Final = range(1, 6)

#: R score, F score and the segment's name; every pair once.
_NAMES: Final = {
    "Lost": [(1, 1)],
    "Hibernating": [(1, 2), (2, 1), (2, 2)],
    "At Risk": [(r, f) for r in (1, 2) for f in (3, 4)],
    "Can't Lose Them": [(1, 5), (2, 5)],
    "About To Sleep": [(3, 1), (3, 2)],
    "Need Attention": [(3, 3)],
    "Loyal Customers": [(r, f) for r in (3, 4) for f in (4, 5)],
    "Promising": [(4, 1)],
    "New Customers": [(5, 1)],
    "Potential Loyalist": [(r, f) for r in (4, 5) for f in (2, 3)],
    "Champions": [(5, 4), (5, 5)],
}
SEGMENTS: Final = tuple(_NAMES)


def segment_pairs() -> list[tuple[int, int, str]]:
    """(R, F, name) as the table says, in no particular order."""
    return [(r, fr, name) for name, pairs in _NAMES.items() for r, fr in pairs]


def segment_name(r_score: Column, f_score: Column) -> Column:
    """The name of a pair of scores; null for scores that do not exist."""
    names = {r * 10 + fr: name for r, fr, name in segment_pairs()}
    table = f.create_map(*(f.lit(part) for pair in names.items() for part in pair))
    return f.try_element_at(table, r_score * 10 + f_score)


def with_scores(customers: DataFrame, value: str, bucket: Column, score: str) -> DataFrame:
    """Add the integer column `score` for the not-null column `value`.

    `bucket` must never fall while `value` rises, and be the same for equal values.
    """
    counted = customers.groupBy(value).agg(f.count("*").alias("_count"))
    counted = counted.withColumn("_bucket", bucket)
    below = Window.partitionBy("_bucket").orderBy(value)
    below = below.rowsBetween(Window.unboundedPreceding, -1)
    within = counted.withColumn("_within", f.coalesce(f.sum("_count").over(below), f.lit(0)))
    ranked = within.join(f.broadcast(_offsets(counted)), "_bucket")
    scores = ranked.select(value, _score().alias(score))
    return customers.join(scores, value)


def _offsets(counted: DataFrame) -> DataFrame:
    """Per bucket the customers in the buckets below it, and all customers: a small table."""
    sizes = counted.groupBy("_bucket").agg(f.sum("_count").alias("_size"))
    others = sizes.select(f.col("_bucket").alias("_other"), f.col("_size").alias("_other_size"))
    lower = f.when(f.col("_other") < f.col("_bucket"), f.col("_other_size")).otherwise(0)
    pairs = sizes.crossJoin(f.broadcast(others))
    return pairs.groupBy("_bucket").agg(
        f.sum(lower).alias("_below"), f.sum("_other_size").alias("_customers")
    )


def _score() -> Column:
    return f.expr("int(((_below + _within) * 5) div _customers) + 1")
