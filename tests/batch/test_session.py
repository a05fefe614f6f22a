"""Where a local Spark leaves what it needs for itself."""

from pathlib import Path

from pyspark.sql import SparkSession


def test_native_libraries_are_unpacked_beside_the_data(spark: SparkSession) -> None:
    """/tmp may forbid to run what is in it, as a container's does by default."""
    java = spark.sparkContext._jvm
    assert java is not None
    found = Path(java.java.lang.System.getProperty("java.io.tmpdir"))
    assert found.parts[-2:] == ("spark", "tmp")
    assert found.parent == Path(spark.conf.get("spark.local.dir") or "")
    assert spark.range(100).repartition(3).count() == 100, (
        "a shuffle, whose map is compressed by zstd"
    )
    assert list(found.glob("libzstd*"))
