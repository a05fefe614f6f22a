"""Writers to a MongoDB collection: Python workers with Arrow batches, or the connector's jar.

The Python data source writes rows without a connector's jar. Options: `url`, `database`, `collection`. Each task
inserts its rows as Arrow batches; nothing is published here. A retried task fails on the keys it wrote before, and
with it the publish.
"""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pyspark.sql import DataFrame
from pyspark.sql.datasource import DataSource, DataSourceArrowWriter, WriterCommitMessage
from pyspark.sql.types import StructType

from app.settings import BatchSettings
from batch.julian_calendar import before_conversion
from batch.warehouse import Target

#: Inserts all rows into the named collection; fails on an existing key.
Write = Callable[[DataFrame, str], None]


if TYPE_CHECKING:
    import pyarrow as pa

FORMAT: Final = "globalmart_mongo"


@dataclass
class Written(WriterCommitMessage):
    """Number of rows inserted by one task."""

    rows: int


class MongoSink(DataSource):
    """The data source, registered under FORMAT."""

    @classmethod
    def name(cls) -> str:
        """The format's name."""
        return FORMAT

    def writer(self, schema: StructType, overwrite: bool) -> DataSourceArrowWriter:
        """Returns a writer that appends, whatever the mode."""
        return MongoWriter(dict(self.options))


class MongoWriter(DataSourceArrowWriter):
    """Writes rows on the executors."""

    def __init__(self, options: dict[str, str]) -> None:
        self._options = options

    def write(self, iterator: Iterator["pa.RecordBatch"]) -> Written:
        """Inserts the rows of one task."""
        from pymongo import MongoClient

        from batch.arrow_to_bson import documents

        rows = 0
        with MongoClient[dict[str, object]](self._options["url"]) as client, _no_gc():
            collection = client[self._options["database"]][self._options["collection"]]
            for batch in iterator:
                if batch.num_rows:
                    collection.insert_many(documents(batch))
                    rows += batch.num_rows
        return Written(rows)


@contextmanager
def _no_gc() -> Iterator[None]:
    """Disables the garbage collector: documents have no cycles, and the search costs as much as their creation."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def writer(settings: BatchSettings, target: Target) -> Write:
    """Returns the writer of the settings."""
    write_as = _with_arrow if settings.writer == "arrow" else _with_connector

    def write(rows: DataFrame, collection: str) -> None:
        write_as(rows.coalesce(settings.mongo_writers), target, collection)

    return write


def _with_arrow(rows: DataFrame, target: Target, collection: str) -> None:
    rows.sparkSession.dataSource.register(MongoSink)
    sink = rows.write.format(FORMAT).option("url", target.url).option("database", target.database)
    sink.option("collection", collection).mode("append").save()


def _with_connector(rows: DataFrame, target: Target, collection: str) -> None:
    """Writes with the connector; nulls stay fields, and texts that look like JSON stay texts."""
    sink = before_conversion(rows).write.format("mongodb").option("connection.uri", target.url)
    sink = sink.option("database", target.database).option("collection", collection)
    sink = sink.option("operationType", "insert").option("convertJson", "false")
    sink.option("ignoreNullValues", "false").mode("append").save()
