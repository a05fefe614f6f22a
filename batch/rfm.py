"""RFM segment names, and scores from order statistics: tie-safe, independent of row order, parallel.

For N customers and ascending competition rank k (1 = worst), score = floor((k - 1) * 5 / N) + 1. k - 1 is the
number of customers with a smaller value. So a score is at least s where the value exceeds the t-th smallest of all,
with t = ceil((s - 1) * N / 5): one limit per score above 1. Customers are counted per bucket, buckets keep the values'
order, and only the values in the few buckets with a limit are put in order: no partition ever holds all values.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from itertools import groupby
from typing import Final

from pyspark.sql import Column, DataFrame, Row, Window
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


def segment_pairs() -> list[tuple[int, int, str]]:
    """Returns all (R, F, name), in no particular order."""
    return [(r, fr, name) for name, pairs in _NAMES.items() for r, fr in pairs]


def segment_name(r_score: Column, f_score: Column) -> Column:
    """Returns the name of a pair of scores; null for scores that do not exist."""
    names = {r * 10 + fr: name for r, fr, name in segment_pairs()}
    table = f.create_map(*(f.lit(part) for pair in names.items() for part in pair))
    return f.try_element_at(table, r_score * 10 + f_score)


@dataclass(frozen=True, slots=True)
class _Place:
    """The customer of this rank, from 1 in ascending order, within a bucket of a measure."""

    bucket: Row
    rank: int


def with_scores(customers: DataFrame, measures: Mapping[str, tuple[Column, Column]]) -> DataFrame:
    """Adds one integer score per measure to the customers, named by the measure; executes Spark jobs.

    A measure is a not-null bigint value and a bigint bucket, which must never fall while the value rises and be the
    same for equal values. The buckets are counted in this process: some ten thousand are fine.
    """
    limits = _limits(_points(customers, measures))
    scores = {name: _score(value, limits.get(name, [])) for name, (value, _) in measures.items()}
    return customers.withColumns(scores)


def _score(value: Column, limits: list[int]) -> Column:
    """Returns one more than the number of limits the value exceeds."""
    passed = [f.when(value > f.lit(limit).cast("bigint"), 1).otherwise(0) for limit in limits]
    return reduce(Column.__add__, passed, f.lit(1))


def _points(customers: DataFrame, measures: Mapping[str, tuple[Column, Column]]) -> DataFrame:
    """Returns one row per customer and measure."""
    points = [
        f.struct(f.lit(name).alias("_name"), bucket.alias("_bucket"), value.alias("_value"))
        for name, (value, bucket) in measures.items()
    ]
    return customers.select(f.inline(f.array(*points)))


def _limits(points: DataFrame) -> dict[str, list[int]]:
    """Returns for each measure the values that must be exceeded for the scores above 1."""
    counted = points.groupBy("_name", "_bucket").agg(
        f.count("*").alias("customers"), f.min("_value").alias("least"), f.max("_value").alias("greatest")
    )
    buckets = sorted(counted.collect(), key=lambda row: (row["_name"], row["_bucket"]))
    places = {name: list(_places(list(rows))) for name, rows in groupby(buckets, key=lambda row: str(row["_name"]))}
    return _values(points, places)


def _places(buckets: list[Row]) -> Iterator[_Place]:
    """Yields where the limits of one measure are, by its buckets in ascending order."""
    customers = sum(bucket.customers for bucket in buckets)
    for score in SCORES[1:]:
        rank = -(-(score - 1) * customers // SCORES[-1])
        for bucket in buckets:
            if rank <= bucket.customers:
                yield _Place(bucket, rank)
                break
            rank -= bucket.customers


def _values(points: DataFrame, places: Mapping[str, list[_Place]]) -> dict[str, list[int]]:
    """Returns the values at these places; looks into the buckets that hold several."""
    several = [place for found in places.values() for place in found if place.bucket.least != place.bucket.greatest]
    counts = _counted_in(points, several) if several else []
    return {name: [_value(place, counts) for place in found] for name, found in places.items()}


def _counted_in(points: DataFrame, places: list[_Place]) -> list[Row]:
    """Returns the values at these places, each with the number of its bucket's customers up to it."""
    pairs = {(place.bucket["_name"], place.bucket["_bucket"]) for place in places}
    within = points.where(reduce(Column.__or__, (_is_in(name, bucket) for name, bucket in sorted(pairs))))
    counted = within.repartition("_name", "_bucket").groupBy("_name", "_bucket", "_value").agg(f.count("*").alias("n"))
    ascending = Window.partitionBy("_name", "_bucket").orderBy("_value")
    up_to = f.sum("n").over(ascending.rowsBetween(Window.unboundedPreceding, Window.currentRow))
    wanted = (
        _is_in(place.bucket["_name"], place.bucket["_bucket"])
        & (f.col("up_to") >= place.rank)
        & (f.col("up_to") - f.col("n") < place.rank)
        for place in places
    )
    return counted.withColumn("up_to", up_to).where(reduce(Column.__or__, wanted)).collect()


def _is_in(name: str, bucket: int) -> Column:
    return (f.col("_name") == name) & (f.col("_bucket") == f.lit(bucket).cast("bigint"))


def _value(place: _Place, counts: list[Row]) -> int:
    """Returns the value at a place, from those of `_counted_in`."""
    bucket = place.bucket
    if bucket.least == bucket.greatest:
        return int(bucket.least)
    mine = (row for row in counts if (row["_name"], row["_bucket"]) == (bucket["_name"], bucket["_bucket"]))
    return int(next(row["_value"] for row in mine if row.up_to - row.n < place.rank <= row.up_to))
