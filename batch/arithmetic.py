"""Exact arithmetic of money in Spark: sums of decimals, and ratios rounded half up once.

Spark's own division rounds to a scale of its choice first, and rounding that again can be off by one
in the last place. Here the quotient is found in whole numbers.
"""

from typing import Final

from pyspark.sql import Column
from pyspark.sql import functions as f
from pyspark.sql.types import DecimalType

MONEY: Final = DecimalType(24, 2)
RATIO: Final = DecimalType(24, 4)
_WHOLE: Final = DecimalType(38, 0)
#: Room for 10^29 units of the last place on either side of the division.
_STEP: Final = DecimalType(32, 0)


def total(column: str) -> Column:
    """Exact sum of a money column; 0.00 over no rows."""
    return f.coalesce(f.sum(column), f.lit(0)).cast(MONEY)


def cents(money: Column) -> Column:
    """A money column as a whole number of cents."""
    return (money * 100).cast(_STEP)


def ratio(numerator: Column, denominator: Column, places: int) -> Column:
    """numerator / denominator for whole numbers, half away from zero; null where the latter is 0 or null.

    With n and d not negative: floor((2 n 10^p + d) / 2 d) / 10^p.
    """
    divisor = f.when(denominator != 0, (denominator * 2).cast(_STEP))
    shifted = (f.abs(numerator) * (2 * 10**places)).cast(_STEP) + denominator.cast(_STEP)
    whole = ((shifted - shifted % divisor).cast(_STEP) / divisor).cast(_WHOLE)
    signed = f.when(numerator < 0, -whole).otherwise(whole)
    return (signed.cast(DecimalType(30, 0)) / f.lit(10**places)).cast(DecimalType(24, places))


def average(money: Column, count: Column) -> Column:
    """Money per piece with two places, half up; null over no pieces."""
    return (ratio(cents(money), count, 0).cast(DecimalType(24, 0)) / f.lit(100)).cast(MONEY)
