"""Writers to a MongoDB collection: Arrow batches by this process or Python workers, or the connector's jar.

The Python data source writes rows without a connector's jar. Options: `url`, `database`, `collection`. Each task
inserts its rows as Arrow batches; nothing is published here. A retried task fails on the keys it wrote before, and
with it the publish.
"""

import gc
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pyspark.sql import DataFrame
from pyspark.sql.datasource import DataSource, DataSourceArrowWriter, WriterCommitMessage
from pyspark.sql.types import StructType

from app.settings import BatchSettings
from batch.julian_calendar import before_conversion
from batch.warehouse_writer import Target

#: Inserts all rows, the number of which is given, into the named collection; fails on an existing key.
Write = Callable[[DataFrame, str, int], None]


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
        return Written(_insert(iterator, self._options["url"], self._options["database"], self._options["collection"]))


def _insert(batches: Iterable["pa.RecordBatch"], url: str, database: str, collection: str) -> int:
    """Inserts the rows of Arrow batches into a collection, one batch at a time; returns their number."""
    from pymongo import MongoClient

    from batch.arrow_to_bson import documents

    rows = 0
    with MongoClient[dict[str, object]](url) as client, _no_gc():
        target = client[database][collection]
        for batch in batches:
            if batch.num_rows:
                target.insert_many(documents(batch))
                rows += batch.num_rows
    return rows


@contextmanager
def _no_gc() -> Iterator[None]:
    """Disables the garbage collector: documents have no cycles, and the search costs as much as their creation."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def writer(settings: BatchSettings, target: Target) -> Write:
    """Returns the writer of the settings.

    Few rows are written by this process, since starting Python workers takes longer. They are in memory at once, as
    Arrow.
    """

    def write(rows: DataFrame, collection: str, count: int) -> None:
        if settings.writer == "connector":
            _with_connector(rows.coalesce(settings.mongo_writers), target, collection)
        elif count <= settings.driver_write_rows:
            batches = rows.toArrow().to_batches(max_chunksize=settings.arrow_batch_rows) if count else []
            _insert(batches, target.url, target.database, collection)
        else:
            _with_arrow(rows.coalesce(settings.mongo_writers), target, collection)

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
