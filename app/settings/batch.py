"""Settings of the nightly batch: Spark, the lake, the checks before a publish."""

from typing import ClassVar, Literal

from app.settings.group import SettingsGroup, setting


class BatchSettings(SettingsGroup):
    """The nightly batch: extract, marts, checks, publish."""

    GROUP: ClassVar[str] = "BATCH_"
    lake: str | None = setting(
        None, "folder of the Parquet lake, or an hdfs:// or s3:// address; unset: lake in VAR_DIR"
    )
    master: str | None = setting(None, "Spark master; unset: what spark-submit says, else local with CORES")
    cores: int = setting(2, "threads of a local Spark; on a MASTER the most cores of all executors", ge=1, le=256)
    memory: str = setting(
        "2g", "heap of a local Spark, or of each executor of a MASTER, as Java writes it", pattern=r"^\d+[kmg]$"
    )
    reader: Literal["adbc", "jdbc"] = setting(
        "adbc", "who reads PostgreSQL: adbc this process, jdbc Spark's executors side by side"
    )
    readers: int = setting(4, "sessions of the jdbc reader side by side", ge=1, le=256)
    writer: Literal["arrow", "connector"] = setting(
        "arrow", "what writes MongoDB: arrow Python workers, connector the MongoDB Spark connector"
    )
    jdbc_package: str = setting("org.postgresql:postgresql:42.7.8", "Maven coordinates fetched for the jdbc reader")
    connector_package: str = setting(
        "org.mongodb.spark:mongo-spark-connector_2.13:10.5.0", "Maven coordinates fetched for the connector writer"
    )
    shuffle_partitions: int = setting(16, "partitions of a Spark shuffle, small ones are joined", ge=1, le=10_000)
    arrow_batch_rows: int = setting(5000, "rows that travel at once from Spark to a Python writer", unit="rows", ge=1)
    extract_rows: int = setting(
        1_000_000, "rows read from PostgreSQL at once, beyond which a day is read alone", unit="rows", ge=1
    )
    mongo_writers: int = setting(2, "Spark tasks that write to MongoDB side by side", ge=1, le=256)
    session_gap_minutes: int = setting(
        30, "inactivity that ends a session of orders without a session id", unit="min", ge=1
    )
    max_staleness_days: int = setting(
        1, "age of the newest order, in days before as_of, that stops a publish", unit="d", ge=0
    )
    max_shrink: float = setting(0.1, "share of its rows a mart may lose against the published run", ge=0, le=1)
