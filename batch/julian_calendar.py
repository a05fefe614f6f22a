"""Times that come out right after Spark has converted them to `java.sql.Timestamp`.

Its calendar is the Julian one before 1582-10-15. Spark keeps year, month and day in the conversion, and so changes the
instant: 0001-01-03 becomes the Julian 0001-01-03, which is our 0001-01-01. A writer that then stores
`Timestamp.getTime()` would store another day. Here the time is first moved to the day whose conversion is the wanted
instant. Table: Julian minus Gregorian days, Meeus, Astronomical Algorithms, chapter 7.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as f
from pyspark.sql.types import DataType, StructType, TimestampType

_REFORM: Final = datetime(1582, 10, 15)
#: Microseconds.
_DAY: Final = 86_400_000_000
#: Julian minus Gregorian days before the first period.
_FIRST_DAYS: Final = 2


def before_conversion(rows: DataFrame) -> DataFrame:
    """Returns the rows with every time, in a struct too, moved to the days of the Julian calendar.

    A column fails with `UserRaisedException` on the Gregorian days that are a Julian 29 February of a year which has
    none in the Gregorian calendar, as 1500-03-10: no time converts to them.
    """
    return rows.select(*(_column(f.col(field.name), field.dataType).alias(field.name) for field in rows.schema.fields))


def _column(value: Column, kind: DataType) -> Column:
    if isinstance(kind, TimestampType):
        return _moved(value)
    if isinstance(kind, StructType):
        return f.struct(*(_column(value[field.name], field.dataType).alias(field.name) for field in kind.fields))
    return value


def _moved(time: Column) -> Column:
    micros = f.unix_micros(time)
    moved = f.when(micros >= _micros(_REFORM), micros)
    for start, days in _periods():
        leap_day = start - timedelta(days=1)
        moved = moved.when(micros >= _micros(start), micros + days * _DAY)
        moved = moved.when(micros >= _micros(leap_day), _unwritable(leap_day.date().isoformat()))
    return f.timestamp_micros(moved.otherwise(micros + _FIRST_DAYS * _DAY))


def _periods() -> Iterator[tuple[datetime, int]]:
    """Periods of one difference, latest first: their first Gregorian day and the days of the Julian calendar more."""
    days = -10
    for year in range(1500, 0, -100):
        if year % 400:
            yield datetime(year, 3, 1) - timedelta(days=days), days
            days += 1


def _unwritable(day: str) -> Column:
    return f.raise_error(
        f"The connector of MongoDB cannot write times of the day {day}: set GLOBALMART_BATCH_WRITER=arrow."
    ).cast("bigint")


def _micros(moment: datetime) -> int:
    """Microseconds from the epoch: Python hands times to Spark through a calendar of its own."""
    return (moment - datetime(1970, 1, 1)) // timedelta(microseconds=1)
