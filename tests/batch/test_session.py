"""Where a local Spark leaves what it needs for itself."""

from pathlib import Path

from pyspark.sql import SparkSession


def test_native_libraries_are_unpacked_next_to_the_data(spark: SparkSession, tmp_path: Path) -> None:
    """/tmp may forbid to run what is in it, as a container's does by default."""
    java = spark.sparkContext._jvm
    assert java is not None
    found = Path(java.java.lang.System.getProperty("java.io.tmpdir"))
    assert found.parts[-2:] == ("spark", "tmp")
    assert found.parent == Path(spark.conf.get("spark.local.dir") or "")
    spark.range(3).write.option("compression", "zstd").parquet(str(tmp_path / "packed"))
    # The file itself is gone as soon as it is loaded.
    process = java.java.lang.ProcessHandle.current().pid()
    mapped = Path(f"/proc/{process}/maps").read_text()
    assert f"{found}/libzstd" in mapped
