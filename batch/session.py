"""The Spark session: local by default, or on the cluster whose master is set or given by spark-submit."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from pyspark.sql import SparkSession

from app.settings import BatchSettings
from batch.spark_java import provide_java, submitted

#: For a job of minutes: the serial collector.
_LOCAL_JAVA: Final = "-XX:+UseSerialGC -XX:ReservedCodeCacheSize=240m"
#: The full compiler for code that runs over rows but not for code that Spark runs once per query; with the default
#: thresholds it would spend more time on Spark's planner than on the marts.
_COMPILED_FOR_ROWS: Final = (
    "-XX:Tier4InvocationThreshold=40000 -XX:Tier4MinInvocationThreshold=5000 "
    "-XX:Tier4CompileThreshold=120000 -XX:Tier4BackEdgeThreshold=320000"
)
#: On a small night the full compiler takes longer than it saves.
_COMPILED_QUICKLY: Final = "-XX:TieredStopAtLevel=1"
#: Java's older types convert times before 1900 by the zone of the machine.
_UTC_JAVA: Final = "-Duser.timezone=UTC"
_LOGGING: Final = Path(__file__).with_name("log4j2.properties")
_OPTIONS: Final = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.adaptive.enabled": "true",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    # One calendar everywhere, whatever a cluster's defaults are: before 1582 Java's has other days.
    "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED",
    "spark.sql.parquet.datetimeRebaseModeInWrite": "CORRECTED",
    "spark.sql.parquet.int96RebaseModeInRead": "CORRECTED",
    "spark.sql.parquet.int96RebaseModeInWrite": "CORRECTED",
    "spark.sql.legacy.timeParserPolicy": "CORRECTED",
    # The lake's files are one per day: list them here and read many with one task.
    "spark.sql.sources.parallelPartitionDiscovery.threshold": "100000",
    "spark.sql.files.openCostInBytes": "65536",
    # Marts are read once or twice: measuring each column to compress it costs more than it saves.
    "spark.sql.inMemoryColumnarStorage.compressed": "false",
    # A first-level hash map helps only with few groups, and the marts have many.
    "spark.sql.codegen.aggregate.map.twolevel.enabled": "false",
    # The text of a plan is made again at each of its stages, and nobody reads it here.
    "spark.sql.ui.explainMode": "simple",
    "spark.sql.maxPlanStringLength": "2000",
    "spark.sql.debug.maxToStringFields": "3",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}


@contextmanager
def spark_session(settings: BatchSettings, work_dir: Path, *, small: bool = False) -> Iterator[SparkSession]:
    """Starts a session with this project's options and stops it at the end; Spark spills to `work_dir`.

    `small` is whether it is for a small night. Sets Spark's environment variables that are not set.
    """
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    provide_java(work_dir)
    builder = SparkSession.builder.appName("globalmart-batch")
    for name, value in {**_OPTIONS, **_sizes(settings)}.items():
        builder = builder.config(name, value)
    if packages := connectors(settings):
        builder = builder.config("spark.jars.packages", ",".join(packages))
    if settings.master is not None:
        builder = _cluster(builder, settings, settings.master)
    elif not submitted():
        builder = _local(builder, settings, work_dir, _COMPILED_QUICKLY if small else _COMPILED_FOR_ROWS)
    former = signal.getsignal(signal.SIGINT)
    spark = builder.getOrCreate()
    if threading.current_thread() is threading.main_thread():
        # Spark's handler first cancels jobs, and waits for an answer of a JVM that may be busy.
        signal.signal(signal.SIGINT, former)
    spark.sparkContext.setLogLevel("ERROR")
    try:
        yield spark
    finally:
        spark.stop()


def connectors(settings: BatchSettings) -> list[str]:
    """Returns the Maven coordinates of the jars that the settings require; Spark fetches them.

    spark-submit resolves before this program starts: give it the same coordinates with --packages.
    """
    wanted = []
    if settings.reader == "jdbc":
        wanted.append(settings.jdbc_package)
    if settings.writer == "connector":
        wanted.append(settings.connector_package)
    return wanted


def _cluster(builder: SparkSession.Builder, settings: BatchSettings, master: str) -> SparkSession.Builder:
    return (
        builder.master(master)
        .config("spark.executor.memory", executor_memory(settings))
        .config("spark.cores.max", str(settings.cores))
        .config("spark.executor.extraJavaOptions", _UTC_JAVA)
    )


def executor_memory(settings: BatchSettings) -> str:
    """Returns the heap of an executor; Spark's own variable overrides the setting if workers have less."""
    return os.environ.get("SPARK_EXECUTOR_MEMORY") or settings.memory


def _sizes(settings: BatchSettings) -> dict[str, str]:
    return {
        "spark.sql.shuffle.partitions": str(settings.shuffle_partitions),
        "spark.sql.execution.arrow.maxRecordsPerBatch": str(settings.arrow_batch_rows),
        # Java's newer times have one calendar; MongoDB's connector knows only the older ones (julian_calendar.py).
        "spark.sql.datetime.java8API.enabled": str(settings.writer != "connector").lower(),
    }


def _local(
    builder: SparkSession.Builder, settings: BatchSettings, work_dir: Path, compiler: str
) -> SparkSession.Builder:
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    return (
        builder.master(f"local[{settings.cores}]")
        .config("spark.driver.memory", settings.memory)
        .config(
            "spark.driver.extraJavaOptions",
            f"{_LOCAL_JAVA} {compiler} {_UTC_JAVA} -Dlog4j2.configurationFile={_LOGGING.as_uri()} "
            f'"-Djava.io.tmpdir={_native_folder(work_dir)}"',
        )
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.local.dir", str(work_dir.absolute() / "spark"))
        .config("spark.sql.warehouse.dir", str(work_dir.absolute() / "spark" / "warehouse"))
    )


def _native_folder(work_dir: Path) -> Path:
    """Creates the folder for Java's native libraries: /tmp may be mounted noexec, as in containers."""
    folder = work_dir.absolute() / "spark" / "tmp"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
