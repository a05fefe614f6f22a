"""Checks before the publish; each failure names rows or days, and the published run stays."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final

from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as f

from app.domain.money import decimal_from_cents
from app.errors import QualityError
from app.topics import TRANSACTIONS
from batch.arithmetic import order_cents, total_cents
from batch.manifest import DayChecksum, Manifest
from batch.mart import Mart
from batch.publish import Computed, digest, row_hashes

_NAMED_ROWS: Final = 5


@dataclass(frozen=True, slots=True)
class Bounds:
    """`max_staleness_days` between the newest order and `as_of`; `max_shrink` as a share of rows.

    `taken_on` is the UTC day on which PostgreSQL was read.
    """

    as_of: date
    taken_on: date
    max_staleness_days: int
    max_shrink: float

    @property
    def complete_before(self) -> date:
        """The first day that is not complete: after `as_of`, or not over when PostgreSQL was read."""
        return self.taken_on if self.taken_on <= self.as_of else self.as_of + timedelta(days=1)


def check_freshness(manifest: Manifest, bounds: Bounds) -> None:
    """Raises QualityError if there are no orders, or the newest is too old."""
    days = [day for day in manifest.days(TRANSACTIONS) if day <= bounds.as_of]
    if not days:
        raise QualityError(
            f"there is no transaction up to {bounds.as_of}; is the stream running, or is --as-of "
            "before the first order?"
        )
    age = (bounds.as_of - max(days)).days
    if age > bounds.max_staleness_days:
        raise QualityError(
            f"the newest transaction is of {max(days)}, {age} days before {bounds.as_of}; is the "
            "stream running? GLOBALMART_BATCH_MAX_STALENESS_DAYS allows "
            f"{bounds.max_staleness_days}"
        )


def with_product(transactions: DataFrame) -> DayChecksum:
    """Returns number and cents of the orders with a product, the only ones in `product_performance`."""
    orders = transactions.where(f.col("product_id").isNotNull())
    sums = orders.select(order_cents("total_amount").alias("cents")).agg(
        f.count("*").alias("rows"), total_cents("cents").alias("cents")
    )
    found = sums.collect()[0]
    return DayChecksum(found.rows, found.cents)


def checked(mart: Mart, frame: DataFrame, expected: DayChecksum, seen: Mapping[str, Any], bounds: Bounds) -> Computed:
    """Checks one mart; `expected` are the sums of its slices, `seen` its entry in the published run.

    Computes the rows and reads them once, a fact's digests included. Raises QualityError with all problems.
    """
    days = _measured(mart, frame)
    figures = {name: sum(day[name] for day in days if day[name] is not None) for name in _figures(mart)}
    problems = [
        *_sum_problems(mart, figures, expected),
        *_row_problems(mart, frame, figures),
        *_size_problems(mart, figures["rows"], seen, bounds),
    ]
    if problems:
        raise QualityError("\n".join(problems) + "\nnothing was published")
    digests = {str(day["day"]): digest(day) for day in days} if mart.fact_time else {}
    return Computed(mart, frame, figures["rows"], Decimal(figures["total"]), digests)


def _measured(mart: Mart, frame: DataFrame) -> list[Row]:
    """Returns the figures of every UTC day of a fact; of another mart in one row."""
    figures = [column.alias(name) for name, column in _figures(mart).items()]
    if mart.fact_time is None:
        return frame.agg(*figures).collect()
    day = f.to_date(mart.fact_time).alias("day")
    return frame.groupBy(day).agg(*figures, *row_hashes(mart)).collect()


def _figures(mart: Mart) -> dict[str, Column]:
    figures = {"rows": f.count("*"), "total": f.sum(mart.money), "bad": f.count_if(_bad(mart))}
    for number, condition in enumerate(mart.slices):
        within = f.expr(condition)
        figures[f"money_{number}"] = f.sum(f.when(within, f.col(mart.money)))
        if mart.orders is not None:
            figures[f"orders_{number}"] = f.sum(f.when(within, f.col(mart.orders)))
    return figures


def _bad(mart: Mart) -> Column:
    """Returns the condition of rows with a null in a required column, or with negative money."""
    nulls = " OR ".join(f"`{column}` IS NULL" for column in mart.required)
    return f.expr(f"{nulls} OR `{mart.money}` IS NULL OR `{mart.money}` < 0")


def _sum_problems(mart: Mart, figures: Mapping[str, Any], expected: DayChecksum) -> Iterator[str]:
    revenue = decimal_from_cents(expected.checksum)
    for number, condition in enumerate(mart.slices):
        place = mart.name if condition == "true" else f"{mart.name} where {condition}"
        money = Decimal(figures[f"money_{number}"])
        if money != revenue:
            yield f"{place}: {mart.money} sums to {money}, PostgreSQL's rows to {revenue}"
        if mart.orders is not None:
            orders = figures[f"orders_{number}"]
            if orders != expected.rows:
                yield f"{place}: {orders:,} orders, PostgreSQL has {expected.rows:,}"


def _row_problems(mart: Mart, frame: DataFrame, figures: Mapping[str, Any]) -> Iterator[str]:
    if figures["bad"]:
        # As text: Python's range of times is smaller than Spark's in some time zones.
        columns = [f.col(name).cast("string") for name in sorted({*mart.required, mart.money})]
        named = frame.where(_bad(mart)).select(*columns).take(_NAMED_ROWS)
        rows = "; ".join(str(row.asDict()) for row in named)
        yield f"{mart.name}: {figures['bad']:,} rows have null keys or negative money: {rows}"


def _size_problems(mart: Mart, rows: int, seen: Mapping[str, Any], bounds: Bounds) -> Iterator[str]:
    """Compares only with a run of the same or an earlier day: an earlier `as_of` may shrink a mart."""
    if not mart.bounded or not seen or seen["as_of"].date() > bounds.as_of:
        return
    least = seen["rows"] * (1 - bounds.max_shrink)
    if rows < least:
        yield (
            f"{mart.name}: {rows:,} rows, the published run of {seen['as_of'].date()} has "
            f"{seen['rows']:,}; GLOBALMART_BATCH_MAX_SHRINK allows a loss of {bounds.max_shrink:.0%}"
        )
