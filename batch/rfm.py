"""RFM segment names, and scores from value counts: tie-safe, independent of row order, parallel.

For N customers and ascending competition rank k (1 = worst), score = floor((k - 1) * 5 / N) + 1. k - 1 is the
number of customers with a smaller value, so it is enough to count customers per value and to cumulate the
counts. They are cumulated within buckets that keep the values' order, each bucket offset by the buckets
below it, so no partition ever holds all values.
"""

from collections.abc import Mapping
from functools import reduce
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
    """Returns all (R, F, name), in no particular order."""
    return [(r, fr, name) for name, pairs in _NAMES.items() for r, fr in pairs]


def segment_name(r_score: Column, f_score: Column) -> Column:
    """Returns the name of a pair of scores; null for scores that do not exist."""
    names = {r * 10 + fr: name for r, fr, name in segment_pairs()}
    table = f.create_map(*(f.lit(part) for pair in names.items() for part in pair))
    return f.try_element_at(table, r_score * 10 + f_score)


def with_scores(customers: DataFrame, measures: Mapping[str, tuple[Column, Column]]) -> DataFrame:
    """Adds one integer score per measure to the customers, named by the measure.

    A measure is a not-null bigint value and a bigint bucket, which must never fall while the value rises and be the
    same for equal values. A score is one more than the number of thresholds the value reaches, and the
    thresholds of all measures together are one small row.
    """
    thresholds = f.broadcast(_thresholds(_below(_counted(customers, measures)), measures))
    scores = {name: _score(value, name) for name, (value, _) in measures.items()}
    return customers.crossJoin(thresholds).withColumns(scores).select(*customers.columns, *scores)


def _score(value: Column, name: str) -> Column:
    """Returns a score; thresholds that no customer reaches are null."""
    reached = [f.when(value >= f.col(f"_{name}_{score}"), 1).otherwise(0) for score in SCORES[1:]]
    return reduce(Column.__add__, reached, f.lit(1))


def _counted(customers: DataFrame, measures: Mapping[str, tuple[Column, Column]]) -> DataFrame:
    """Counts customers per measure, bucket and value."""
    points = [
        f.struct(f.lit(name).alias("_name"), bucket.alias("_bucket"), value.alias("_value"))
        for name, (value, bucket) in measures.items()
    ]
    each = customers.select(f.inline(f.array(*points)))
    return each.groupBy("_name", "_bucket", "_value").agg(f.count("*").alias("_count"))


def _below(counted: DataFrame) -> DataFrame:
    """Counts per measure and value the customers with a smaller one, and all customers."""
    lower = Window.partitionBy("_name", "_bucket").orderBy("_value")
    lower = lower.rowsBetween(Window.unboundedPreceding, -1)
    within = counted.withColumn("_within", f.coalesce(f.sum("_count").over(lower), f.lit(0)))
    sizes = counted.groupBy("_name", "_bucket").agg(f.sum("_count").alias("_size"))
    return within.join(f.broadcast(_offsets(sizes)), ["_name", "_bucket"])


def _offsets(sizes: DataFrame) -> DataFrame:
    """Counts per bucket the customers in the buckets below it, and all customers: one row per bucket."""
    lower = Window.partitionBy("_name").orderBy("_bucket")
    below = f.sum("_size").over(lower.rowsBetween(Window.unboundedPreceding, -1))
    everyone = f.sum("_size").over(Window.partitionBy("_name"))
    return sizes.select("_name", "_bucket", f.coalesce(below, f.lit(0)).alias("_below"), everyone.alias("_customers"))


def _thresholds(below: DataFrame, measures: Mapping[str, object]) -> DataFrame:
    """Returns one row: per measure and score above 1 the smallest value with this score."""
    steps = f.expr("((_below + _within) * 5) div _customers") + 1
    return below.agg(
        *(
            f.min(f.when((f.col("_name") == name) & (steps >= score), f.col("_value"))).alias(f"_{name}_{score}")
            for name in measures
            for score in SCORES[1:]
        )
    )
