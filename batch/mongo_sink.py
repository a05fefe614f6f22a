"""A Spark data source that only writes: rows into a MongoDB collection, without a connector's jar.

Options: `url`, `database`, `collection`. Each task inserts its rows as Arrow batches; nothing is switched
here. A task that is tried again fails on the keys it wrote before, and the publish with it.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pyspark.sql.datasource import DataSource, DataSourceArrowWriter, WriterCommitMessage
from pyspark.sql.types import StructType

if TYPE_CHECKING:
    import pyarrow as pa

FORMAT: Final = "globalmart_mongo"


@dataclass
class Written(WriterCommitMessage):
    """What one task has inserted."""

    rows: int


class MongoSink(DataSource):
    """Registered under FORMAT."""

    @classmethod
    def name(cls) -> str:
        """The format's name."""
        return FORMAT

    def writer(self, schema: StructType, overwrite: bool) -> DataSourceArrowWriter:
        """A writer that appends, whatever the mode."""
        return MongoWriter(dict(self.options))


class MongoWriter(DataSourceArrowWriter):
    """Travels to the executors."""

    def __init__(self, options: dict[str, str]) -> None:
        self._options = options

    def write(self, iterator: Iterator["pa.RecordBatch"]) -> Written:
        """Insert the rows of one task."""
        from pymongo import MongoClient

        from batch.arrow_to_bson import documents

        rows = 0
        with MongoClient[dict[str, object]](self._options["url"]) as client, _nothing_collected():
            collection = client[self._options["database"]][self._options["collection"]]
            for batch in iterator:
                if batch.num_rows:
                    collection.insert_many(documents(batch))
                    rows += batch.num_rows
        return Written(rows)


@contextmanager
def _nothing_collected() -> Iterator[None]:
    """Documents hold no cycles: looking for some among thousands of them costs as much as making them."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
