"""Reads the lake as DataFrames; `contract` fixes columns and types at both ends of a mart."""

from dataclasses import dataclass
from datetime import date

from pyspark import StorageLevel
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as f
from pyspark.sql.types import StructType

from batch.lake import Lake
from batch.manifest import Manifest
from batch.sources import CART_EVENTS, PRODUCT_VIEWS, TRANSACTIONS, SourceTable


@dataclass(frozen=True, slots=True)
class Events:
    """All events up to and including `as_of`; each frame has the columns of its source."""

    transactions: DataFrame
    product_views: DataFrame
    cart_events: DataFrame


def read_events(spark: SparkSession, lake: Lake, manifest: Manifest, as_of: date) -> Events:
    """Reads the lake's days up to and including `as_of`."""

    def read(source: SourceTable) -> DataFrame:
        files = [lake.address(name) for name in manifest.files(source.name, as_of)]
        if not files:
            return spark.createDataFrame([], source.spark_schema)
        return contract(spark.read.schema(source.spark_schema).parquet(*files), source.spark_schema)

    return Events(read(TRANSACTIONS), read(PRODUCT_VIEWS), read(CART_EVENTS))


def contract(frame: DataFrame, schema: StructType) -> DataFrame:
    """Selects exactly these columns with these types, in this order; a value that does not fit raises."""
    return frame.select(*(f.col(field.name).cast(field.dataType).alias(field.name) for field in schema))


def cached(frame: DataFrame) -> DataFrame:
    """Returns the frame persisted, so that it is computed once."""
    return frame.persist(StorageLevel.MEMORY_AND_DISK)
