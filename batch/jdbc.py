"""Reads PostgreSQL by Spark's executors through its JDBC driver, all in one snapshot.

Each partition is its own session. Every session imports the snapshot that the batch's session has exported and holds
open, so together they read what one REPEATABLE READ transaction reads.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import pyarrow as pa
from pyspark.sql import SparkSession

from app.settings import PostgresSettings
from batch.postgres import encryption, reader_password
from batch.snapshot import Snapshot
from batch.sources import SourceTable


@dataclass(frozen=True, slots=True)
class JdbcReader:
    """Reads ranges of time, `partitions` of them in parallel."""

    spark: SparkSession
    settings: PostgresSettings
    partitions: int
    fetch_rows: int

    def tables(self, snapshot: Snapshot, source: SourceTable, first: date, last: date) -> Iterator[pa.Table]:
        """Yields the rows of the days `first` to `last`, inclusive, with the lake's schema."""
        columns = ", ".join(source.columns)
        rows = self.spark.read.jdbc(
            f"jdbc:postgresql://{self.settings.host}:{self.settings.port}/{self.settings.database}",
            f"(SELECT {columns} FROM {source.name}) AS part",
            predicates=[
                f"timestamp >= '{start.isoformat()}' AND timestamp < '{end.isoformat()}'"
                for start, end in _ranges(first, last, self.partitions)
            ],
            properties=self._properties(snapshot.export()),
        )
        yield rows.toArrow().cast(source.arrow_schema)

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
    """Yields ranges [start, end) of equal length that cover the days."""
    start = datetime.combine(first, time(), UTC)
    step = (datetime.combine(last + timedelta(days=1), time(), UTC) - start) / parts
    for number in range(parts):
        yield start + number * step, start + (number + 1) * step
