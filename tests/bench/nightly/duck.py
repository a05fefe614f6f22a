"""DuckDB making the nightly batch's marts from the same lake."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any, Final

import duckdb

from batch.lake import Lake
from batch.rfm import segment_pairs
from batch.sources import LAKE_TABLES

_MARTS: Final = Path(__file__).with_name("marts.sql")
#: Whole numbers throughout, half away from zero.
_MACROS: Final = """
    CREATE MACRO average(money, pieces) AS CASE WHEN pieces > 0 THEN
        ((((money * 100)::HUGEINT * 2 + pieces) // (pieces * 2)::HUGEINT)::DECIMAL(24, 0)
        * 0.01::DECIMAL(3, 2))::DECIMAL(24, 2) END;
    CREATE MACRO ratio(n, d) AS CASE WHEN d > 0 THEN
        sign(n) * ((abs(n) * 20000 + d) // (d * 2))::DECIMAL(24, 0) * 0.0001::DECIMAL(5, 4) END;
"""


@contextmanager
def duckdb_marts(lake: Lake, as_of: date, threads: int, gap_minutes: int) -> Iterator[Any]:
    """An engine that holds every mart as a table of its name; all work is done before the block."""
    with duckdb.connect(config={"threads": threads}) as engine:
        engine.execute("SET TimeZone = 'UTC'")
        engine.execute(_MACROS)
        engine.execute("CREATE TABLE segment_names (r INTEGER, f INTEGER, segment_name VARCHAR)")
        engine.executemany("INSERT INTO segment_names VALUES (?, ?, ?)", segment_pairs())
        manifest = lake.read_manifest()
        for source in LAKE_TABLES.values():
            files = [lake.address(name) for name in manifest.files(source.name, as_of)]
            names = ", ".join(f"'{name.removeprefix('file://')}'" for name in files)
            engine.execute(
                f"CREATE VIEW {source.name} AS SELECT * FROM read_parquet([{names}], hive_partitioning = false)"
            )
        engine.execute(_MARTS.read_text().replace("{as_of}", str(as_of)).replace("{gap}", str(gap_minutes)))
        yield engine
