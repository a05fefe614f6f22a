"""Exact arithmetic of money in Spark: sums in integer cents, and ratios rounded half up once.

Inside a mart money is a bigint of cents: Spark sums them at a tenth of the cost of decimals of more than 18 digits, and
in ANSI mode an overflow (92 quadrillion) raises. They become decimals in a mart's last step. Spark's own division first
rounds to a scale of its choice, and rounding again can be off by one in the last place. Here quotients are computed in
integers.
"""

from decimal import Decimal
from typing import Final

from pyspark.sql import Column
from pyspark.sql import functions as f
from pyspark.sql.types import DecimalType

from app.domain.money import CENT, CENTS, PLACES

MONEY: Final = DecimalType(24, PLACES)
RATIO: Final = DecimalType(24, 4)
_WHOLE: Final = DecimalType(38, 0)
_LONG: Final = DecimalType(20, 0)
#: Up to 10^29 units of the last place on either side of the division.
_STEP: Final = DecimalType(32, 0)


def total(column: str) -> Column:
    """Returns the exact sum of a money column; 0.00 without rows."""
    return f.coalesce(f.sum(column), f.lit(0)).cast(MONEY)


def order_cents(amount: str) -> Column:
    """Converts a money column of single orders to a bigint of cents."""
    return (f.col(amount) * CENTS).cast("bigint")


def total_cents(column: str) -> Column:
    """Returns the exact sum of a bigint column; 0 without rows."""
    return f.coalesce(f.sum(column), f.lit(0).cast("bigint"))


def money(cents: Column) -> Column:
    """Converts a bigint of cents to money."""
    return (cents.cast(_LONG) * f.lit(CENT)).cast(MONEY)


def cents(amount: Column) -> Column:
    """Converts money to cents as a decimal without places; for sums as large as MONEY can be."""
    return (amount * CENTS).cast(_STEP)


def average(total: Column, count: Column) -> Column:
    """Returns money per item with two places, half up, from a total in cents; null if the count is 0."""
    return money(_half_up(total, count))


def share(part: Column, whole: Column) -> Column:
    """Returns part / whole of two counts below 10^14 with four places, half up; null if `whole` is 0."""
    return (_half_up(part * 10_000, whole).cast(_LONG) * f.lit(Decimal("0.0001"))).cast(RATIO)


def _half_up(numerator: Column, denominator: Column) -> Column:
    """Returns the quotient of two non-negative bigints, half up, without overflow; null if the divisor is 0."""
    divisor = f.nullif(denominator, f.lit(0))
    rest = numerator % divisor
    up = f.when(rest >= divisor - rest, 1).otherwise(0)
    return f.call_function("div", numerator, divisor) + up


def ratio(numerator: Column, denominator: Column, places: int) -> Column:
    """Returns numerator / denominator of integer decimals, half away from zero; null if the divisor is 0 or null.

    With n and d not negative: floor((2 n 10^p + d) / 2 d) / 10^p.
    """
    divisor = f.when(denominator != 0, (denominator * 2).cast(_STEP))
    shifted = (f.abs(numerator) * (2 * 10**places)).cast(_STEP) + denominator.cast(_STEP)
    whole = ((shifted - shifted % divisor).cast(_STEP) / divisor).cast(_WHOLE)
    signed = f.when(numerator < 0, -whole).otherwise(whole)
    return (signed.cast(DecimalType(30, 0)) / f.lit(10**places)).cast(DecimalType(24, places))
