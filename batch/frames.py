"""Reads the lake as DataFrames; `contract` fixes columns and types at both ends of a mart."""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Final

from pyspark import StorageLevel
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as f
from pyspark.sql.types import StructType

from batch.lake import Lake
from batch.manifest import Manifest
from batch.sources import LAKE_TABLES, LakeTable

_EPOCH: Final = date(1970, 1, 1)


#: All events up to and including a day, by topic; each frame has the columns of its table in the lake.
Events = Mapping[str, DataFrame]


def read_events(spark: SparkSession, lake: Lake, manifest: Manifest, as_of: date, *, gathered: bool) -> Events:
    """Reads the lake's days up to and including `as_of`.

    If `gathered`, from one file per table, which the lake's `remove_orphans` deletes: Spark opens a file of a day as
    often as a mart reads it, and takes longer for that than for a few rows.
    """

    def read(source: LakeTable) -> DataFrame:
        names = manifest.files(source.name, as_of)
        if not names:
            return spark.createDataFrame([], source.spark_schema)
        if gathered:
            names = [lake.gather(source, names)]
        files = [lake.address(name) for name in names]
        return contract(spark.read.schema(source.spark_schema).parquet(*files), source.spark_schema)

    return {name: read(source) for name, source in LAKE_TABLES.items()}


def calendar_day(day: date) -> Column:
    """Returns a day as a constant.

    PySpark passes dates as text in Java's calendar, which rejects years below 1000 and has other days before
    1582-10-15. A number of days since 1970 avoids both.
    """
    return f.date_from_unix_date(f.lit(_number(day)))


def within_days(column: str, days: Iterable[date]) -> Column:
    """Returns whether a time lies in one of these UTC days."""
    return f.unix_date(f.to_date(column)).isin([_number(day) for day in days])


def _number(day: date) -> int:
    return (day - _EPOCH).days


def contract(frame: DataFrame, schema: StructType) -> DataFrame:
    """Selects exactly these columns with these types, in this order; a value that does not fit raises."""
    return frame.select(*(f.col(field.name).cast(field.dataType).alias(field.name) for field in schema))


def cached(frame: DataFrame) -> DataFrame:
    """Returns the frame persisted, so that it is computed once."""
    return frame.persist(StorageLevel.MEMORY_AND_DISK)
