"""The job in Spark Structured Streaming, as its guide writes it: two queries, each with a JDBC `foreachBatch`.

Runs in an environment of its own that knows nothing of this project. GLOBALMART_* as usual; PEER_JARS is the folder of
the Kafka connector and of PostgreSQL's driver, PEER_STATE the folder of the checkpoints.
"""

import os
from collections.abc import Callable
from pathlib import Path

import psycopg2
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as f
from pyspark.sql.streaming.query import StreamingQuery

_CORES = len(os.sched_getaffinity(0))
_ORDER = """
    transaction_id STRING, user_id STRING, timestamp TIMESTAMP, total_amount DECIMAL(12, 2), category STRING,
    country STRING, payment_method STRING, quantity INT, product_id STRING, session_id STRING"""
#: Longer than any order of the generator is late: the worker counts those, too.
_LATENESS = "2 hours"
#: Of a query, in one micro-batch.
_MOST_RECORDS = 50_000

_UPSERT_ROWS = """
INSERT INTO peer_transactions SELECT * FROM stage_transactions ON CONFLICT DO NOTHING"""
_UPSERT_ANOMALIES = """
INSERT INTO peer_anomalies SELECT * FROM stage_anomalies ON CONFLICT DO NOTHING"""
_UPSERT_WINDOWS = """
INSERT INTO peer_sales_metrics SELECT * FROM stage_sales_metrics
ON CONFLICT (window_start, category, country) DO UPDATE
SET total_amount = EXCLUDED.total_amount, transaction_count = EXCLUDED.transaction_count"""


def main() -> None:
    """Run both queries until killed."""
    spark = _session(os.environ["PEER_JARS"])
    orders = _orders(spark)
    _start(orders, "rows", _store_rows)
    _start(_windows(orders), "windows", _store_windows)
    spark.streams.awaitAnyTermination()


def _session(jars: str) -> SparkSession:
    return (
        SparkSession.builder.master(f"local[{_CORES}]")
        .appName("peer")
        .config("spark.driver.extraClassPath", f"{jars}/*")
        .config("spark.driver.memory", "2g")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.shuffle.partitions", _CORES)
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .getOrCreate()
    )


def _orders(spark: SparkSession) -> DataFrame:
    records = (
        spark.readStream.format("kafka")
        .option("kafka.bootstrap.servers", os.environ["GLOBALMART_KAFKA_BOOTSTRAP"])
        .option("subscribe", "transactions")
        .option("startingOffsets", "earliest")
        .option("maxOffsetsPerTrigger", _MOST_RECORDS)
        .load()
    )
    order = f.from_json(f.col("value").cast("string"), _ORDER)
    orders = records.select(order.alias("order")).select("order.*")
    return orders.withColumn("quantity", f.coalesce("quantity", f.lit(1)))


def _windows(orders: DataFrame) -> DataFrame:
    return (
        orders.withWatermark("timestamp", _LATENESS)
        .groupBy(f.window("timestamp", "60 seconds", "30 seconds"), "category", "country")
        .agg(f.sum("total_amount").alias("total_amount"), f.count("*").alias("transaction_count"))
        .select(
            f.col("window.start").alias("window_start"),
            f.col("window.end").alias("window_end"),
            "category",
            "country",
            "total_amount",
            "transaction_count",
        )
    )


def _start(stream: DataFrame, name: str, store: Callable[[DataFrame, int], None]) -> StreamingQuery:
    checkpoint = Path(os.environ["PEER_STATE"]) / name
    return (
        stream.writeStream.queryName(name)
        .outputMode("update")
        .option("checkpointLocation", str(checkpoint))
        .foreachBatch(store)
        .start()
    )


def _store_rows(batch: DataFrame, _number: int) -> None:
    batch.persist()
    _upsert(batch, "stage_transactions", _UPSERT_ROWS)
    _upsert(_anomalies(batch), "stage_anomalies", _UPSERT_ANOMALIES)
    batch.unpersist()


def _store_windows(batch: DataFrame, _number: int) -> None:
    _upsert(batch, "stage_sales_metrics", _UPSERT_WINDOWS)


def _anomalies(orders: DataFrame) -> DataFrame:
    high_value = f.when(f.col("total_amount") > 5000, "high_value")
    unusual_quantity = f.when(f.col("quantity") >= 10, "unusual_quantity")
    return orders.select(
        "transaction_id",
        f.explode(f.array_compact(f.array(high_value, unusual_quantity))).alias("anomaly_type"),
        "user_id",
        f.col("total_amount").alias("amount"),
        f.col("timestamp").alias("event_time"),
    )


def _upsert(rows: DataFrame, stage: str, statement: str) -> None:
    """Write to the stage by JDBC, then take it over in one transaction."""
    host, port = os.environ["GLOBALMART_POSTGRES_HOST"], os.environ["GLOBALMART_POSTGRES_PORT"]
    database = os.environ["GLOBALMART_POSTGRES_DATABASE"]
    user, password = os.environ["GLOBALMART_POSTGRES_OWNER_USER"], os.environ["GLOBALMART_POSTGRES_OWNER_PASSWORD"]
    (
        rows.coalesce(_CORES)
        .write.format("jdbc")
        .option("url", f"jdbc:postgresql://{host}:{port}/{database}?reWriteBatchedInserts=true")
        .option("driver", "org.postgresql.Driver")
        .option("user", user)
        .option("password", password)
        .option("dbtable", stage)
        .option("truncate", "true")
        .mode("overwrite")
        .save()
    )
    connection = psycopg2.connect(host=host, port=port, dbname=database, user=user, password=password)
    with connection, connection.cursor() as cursor:
        cursor.execute(statement)
    connection.close()


if __name__ == "__main__":
    main()
