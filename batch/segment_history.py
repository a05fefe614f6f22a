"""The segments of each published run per customer, stored in the lake: the customers' previous segments."""

from datetime import date

from pyspark.sql import DataFrame, SparkSession

from batch.frames import contract
from batch.lake import Lake
from batch.marts.customer_segments import HISTORY

#: The folder in the lake.
FOLDER = "segment_history"


def store_segments(lake: Lake, run_id: str, as_of: date, segments: DataFrame) -> None:
    """Writes a run's segments; they are used once the run is logged as published."""
    rows = contract(segments, HISTORY).coalesce(1)
    rows.write.mode("overwrite").parquet(lake.address(_name(run_id, as_of)))


def previous_segments(spark: SparkSession, lake: Lake, run: tuple[str, date] | None) -> DataFrame:
    """Reads the segments of a published run; empty for no run, or one of another lake."""
    if run is None or not lake.has(_name(*run)):
        return spark.createDataFrame([], HISTORY)
    return spark.read.schema(HISTORY).parquet(lake.address(_name(*run)))


def _name(run_id: str, as_of: date) -> str:
    return f"{FOLDER}/as_of={as_of}/{run_id}"
