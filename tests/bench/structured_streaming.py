"""The same job as Spark Structured Streaming would do it: a JDBC `foreachBatch` with windows and two of the rules.

It does less than the worker: no velocity rule, no dead letters, no duplicates, and a batch that is repeated after a
crash counts twice. Run as a module with the GLOBALMART_* environment.
"""

import os
import sys
from pathlib import Path
from typing import Any, Final

import pyspark
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as f

from app.settings import Settings, load_settings
from app.topics import TRANSACTIONS
from batch.java import provide_java

CREATE_TABLES: Final = """
CREATE TABLE IF NOT EXISTS spark_transactions (
    transaction_id TEXT PRIMARY KEY, user_id TEXT NOT NULL, timestamp TIMESTAMPTZ NOT NULL,
    total_amount NUMERIC(12, 2) NOT NULL, category TEXT, country TEXT, payment_method TEXT,
    quantity INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS spark_transactions_user ON spark_transactions (user_id, timestamp);
CREATE TABLE IF NOT EXISTS spark_windows (
    window_start TIMESTAMPTZ, category TEXT, country TEXT, total_amount NUMERIC, transaction_count BIGINT);
CREATE TABLE IF NOT EXISTS spark_anomalies (transaction_id TEXT, anomaly_type TEXT);
GRANT SELECT, INSERT ON spark_transactions, spark_windows, spark_anomalies TO globalmart_worker"""

_JARS: Final = (
    f"org.apache.spark:spark-sql-kafka-0-10_2.13:{pyspark.__version__}",
    "org.postgresql:postgresql:42.7.10",
)
_SCHEMA: Final = (
    "transaction_id STRING, user_id STRING, timestamp TIMESTAMP, total_amount DECIMAL(12, 2), "
    "category STRING, country STRING, payment_method STRING, quantity INT"
)
_RECORDS_PER_BATCH: Final = 60_000


def main() -> None:
    """Consume from the beginning until killed."""
    settings = load_settings()
    spark = _session(settings.general.var_dir)
    records = (
        spark.readStream.format("kafka")
        .option("kafka.bootstrap.servers", settings.kafka.bootstrap)
        .option("subscribe", TRANSACTIONS)
        .option("startingOffsets", "earliest")
        .option("maxOffsetsPerTrigger", str(_RECORDS_PER_BATCH))
        .load()
    )
    orders = records.select(f.from_json(f.col("value").cast("string"), _SCHEMA).alias("order"))
    orders = orders.select("order.*").fillna({"quantity": 1})
    checkpoint = settings.general.var_dir / "structured-streaming" / settings.kafka.group
    writer = orders.writeStream.option("checkpointLocation", str(checkpoint.absolute()))
    writer.foreachBatch(_Sink(settings)).start().awaitTermination()


def _session(var_dir: Path) -> SparkSession:
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    provide_java(var_dir)
    options = {
        "spark.jars.packages": ",".join(_JARS),
        "spark.driver.memory": "1g",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.local.dir": str(var_dir.absolute() / "spark"),
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "2",
        "spark.ui.enabled": "false",
    }
    builder = SparkSession.builder.appName("structured-streaming").master("local[2]")
    for name, value in options.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


class _Sink:
    """Writes a micro-batch: rows, windows and anomalies, by JDBC with rewritten inserts."""

    def __init__(self, settings: Settings) -> None:
        postgres, rules = settings.postgres, settings.anomaly
        password = postgres.worker_password
        assert password is not None
        self._rules = {
            "high_value": f.col("total_amount") > f.lit(rules.high_value),
            "unusual_quantity": f.col("quantity") >= rules.unusual_quantity,
        }
        self._options = {
            "url": f"jdbc:postgresql://{postgres.host}:{postgres.port}/{postgres.database}",
            "user": postgres.worker_user,
            "password": password.get_secret_value(),
            "driver": "org.postgresql.Driver",
            "reWriteBatchedInserts": "true",
            "batchsize": "5000",
        }

    def __call__(self, orders: DataFrame, _: int) -> None:
        orders.persist()
        window = f.window("timestamp", "60 seconds", "30 seconds")["start"].alias("window_start")
        sums = (
            f.sum("total_amount").alias("total_amount"),
            f.count("*").alias("transaction_count"),
        )
        self._append(orders.groupBy(window, "category", "country").agg(*sums), "spark_windows")
        for name, raised in self._rules.items():
            found = orders.where(raised).select("transaction_id", f.lit(name).alias("anomaly_type"))
            self._append(found, "spark_anomalies")
        self._append(orders, "spark_transactions")
        orders.unpersist()

    def _append(self, rows: DataFrame, table: str) -> None:
        writer: Any = rows.write.format("jdbc").mode("append")
        writer.options(**self._options, dbtable=table).save()


if __name__ == "__main__":
    main()
