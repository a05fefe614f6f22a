"""Reads PostgreSQL by Spark's executors through its JDBC driver, all in one snapshot.

Each partition is its own session. Every session imports the snapshot that the batch's session has exported and holds
open, so together they read what one REPEATABLE READ transaction reads.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Final

import pyarrow as pa
from pyspark.sql import SparkSession
from pyspark.sql import functions as f

from app.domain.timestamps import midnight
from app.settings import PostgresSettings
from batch.adbc import encryption, reader_password
from batch.postgres_snapshot import Snapshot
from batch.sources import LakeTable

_MICROSECOND: Final = timedelta(microseconds=1)
#: Java's timestamps use another calendar before 1582-10-15, without the days 5 to 14 of that month.
_MICROSECONDS: Final = "(extract(epoch FROM timestamp) * 1000000)::bigint"


@dataclass(frozen=True, slots=True)
class JdbcReader:
    """Reads ranges of time, `partitions` of them in parallel."""

    spark: SparkSession
    settings: PostgresSettings
    partitions: int
    fetch_rows: int

    def tables(self, snapshot: Snapshot, source: LakeTable, first: date, last: date) -> Iterator[pa.Table]:
        """Yields the rows of the days `first` to `last`, inclusive, with the lake's schema."""
        columns = ", ".join(source.columns)
        rows = self.spark.read.jdbc(
            f"jdbc:postgresql://{self.settings.host}:{self.settings.port}/{self.settings.database}",
            f"(SELECT {columns}, {_MICROSECONDS} AS microseconds FROM {source.name}) AS part",
            predicates=[
                f"timestamp >= '{start.isoformat()}' AND timestamp <= '{end.isoformat()}'"
                for start, end in _ranges(first, last, self.partitions)
            ],
            properties=self._properties(snapshot.export()),
        )
        exact = rows.withColumn("timestamp", f.timestamp_micros("microseconds"))
        yield exact.select(*source.columns).toArrow().cast(source.arrow_schema)

    def _properties(self, exported: str) -> dict[str, str]:
        """Connection properties; with a fetch size the driver reads in the transaction that the statement begins."""
        return {
            "driver": "org.postgresql.Driver",
            "user": self.settings.reader_user,
            "password": reader_password(self.settings),
            **encryption(self.settings),
            "fetchsize": str(self.fetch_rows),
            "sessionInitStatement": "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY; "
            f"SET TRANSACTION SNAPSHOT '{exported}'",
        }


def _ranges(first: date, last: date, parts: int) -> Iterator[tuple[datetime, datetime]]:
    """Yields ranges of nearly equal length that cover the days, each from its first microsecond to its last."""
    start = midnight(first)
    length = ((last - first) + timedelta(days=1)) // _MICROSECOND
    edges = [length * number // parts for number in range(parts + 1)]
    for low, high in pairwise(edges):
        yield start + low * _MICROSECOND, start + (high - 1) * _MICROSECOND
