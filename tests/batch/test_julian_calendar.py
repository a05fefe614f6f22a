"""Times before 1582 as Spark hands them to a connector that speaks Java's older types."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from pyspark.errors import SparkRuntimeException
from pyspark.sql import SparkSession
from pyspark.sql import functions as f

from batch.julian_calendar import before_conversion
from tests.batch.test_odd_times import FUTURE, PAST

_EPOCH = datetime(1970, 1, 1)
_SECOND = timedelta(seconds=1)
#: The Gregorian days that are a Julian 29 February, of which the Gregorian calendar has none.
_LEAP_DAYS = (
    *("0100-02-27", "0200-02-28", "0300-03-01", "0500-03-02", "0600-03-03", "0700-03-04", "0900-03-05"),
    *("1000-03-06", "1100-03-07", "1300-03-08", "1400-03-09", "1500-03-10"),
)


def _times() -> Iterator[datetime]:
    for text in (*PAST, *FUTURE):
        yield datetime.fromisoformat(text)
    for day in _LEAP_DAYS:
        yield datetime.fromisoformat(day) - _SECOND
        yield datetime.fromisoformat(day) + timedelta(days=1)


def test_what_spark_converts_is_the_wanted_time(spark: SparkSession) -> None:
    wanted = sorted(round((time - _EPOCH) / timedelta(microseconds=1)) for time in _times())
    rows = spark.createDataFrame([(micros,) for micros in wanted], "micros bigint")
    time = f.timestamp_micros("micros")
    moved = before_conversion(rows.select("micros", time.alias("time"), f.struct(time.alias("time")).alias("_id")))
    java = spark.sparkContext._jvm
    assert java is not None
    convert = java.org.apache.spark.sql.catalyst.util.DateTimeUtils.toJavaTimestamp
    found = moved.select("micros", f.unix_micros("time"), f.unix_micros("_id.time")).collect()
    assert sorted(micros for micros, *_ in found) == wanted
    assert [row for row in found if {convert(row[1]).getTime(), convert(row[2]).getTime()} != {row[0] // 1000}] == []


@pytest.mark.parametrize("day", _LEAP_DAYS)
def test_a_day_that_no_time_converts_to_is_named(spark: SparkSession, day: str) -> None:
    rows = spark.sql(f"SELECT timestamp'{day} 12:00:00' AS time")
    with pytest.raises(SparkRuntimeException, match=f"day {day}: set GLOBALMART_BATCH_WRITER=arrow"):
        before_conversion(rows).collect()
