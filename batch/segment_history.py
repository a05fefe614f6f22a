"""Each published run's segment per customer, cached in the lake: where customers come from."""

from datetime import date

from pyspark.sql import DataFrame, SparkSession

from batch.frames import contract
from batch.lake import Lake
from batch.marts.customer_segments import HISTORY

#: Where the lake keeps them.
FOLDER = "segment_history"


def store_segments(lake: Lake, run_id: str, as_of: date, segments: DataFrame) -> None:
    """Write a run's segments; they count once the log calls the run published."""
    rows = contract(segments, HISTORY).coalesce(1)
    rows.write.mode("overwrite").parquet(lake.address(_name(run_id, as_of)))


def previous_segments(spark: SparkSession, lake: Lake, run: tuple[str, date] | None) -> DataFrame:
    """The segments a run has published; none for no run, or one whose lake is another."""
    if run is None or not lake.has(_name(*run)):
        return spark.createDataFrame([], HISTORY)
    return spark.read.schema(HISTORY).parquet(lake.address(_name(*run)))


def _name(run_id: str, as_of: date) -> str:
    return f"{FOLDER}/as_of={as_of}/{run_id}"
