"""Writers to a MongoDB collection: Python workers with Arrow batches, or the connector's jar."""

from collections.abc import Callable

from pyspark.sql import DataFrame

from app.settings import BatchSettings
from batch.julian_calendar import before_conversion
from batch.mongo_sink import FORMAT, MongoSink
from batch.warehouse import Target

#: Inserts all rows into the named collection; fails on an existing key.
Write = Callable[[DataFrame, str], None]


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
