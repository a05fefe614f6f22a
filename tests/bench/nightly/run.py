"""Runs the nightly part: the batch's own code beside DuckDB, on lakes of several sizes.

What each figure holds:
  start          Spark's start, its own processes included; in no ratio
  compute        the lake read, every mart made, kept, checked and digested: `batch.computing.compute`
  write          every row of every mart to a server that acknowledges without storing: a first publish, the
                 MongoDB server's time left out
  extract        of the smallest size, once: every day out of PostgreSQL into an empty lake, then a second time with
                 nothing changed; PostgreSQL's time is in the seconds of the wall
  duckdb         the same marts from the same files into tables in memory, with as many threads
Every figure has seconds of the wall and of the processors, the latter of this process and
what it starts; the ratios are of both.
"""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any, Final

from pyspark.sql import SparkSession

from app.settings import BatchSettings
from batch.catalogue import MARTS
from batch.computing import Known, compute
from batch.history import former_segments
from batch.lake import Lake
from batch.manifest import Manifest
from batch.publish import Computed, versioned, with_identity
from batch.quality import Bounds
from batch.session import spark_session
from batch.warehouse import Target
from batch.writers import writer
from tests.bench.nightly.acknowledging import acknowledging_server
from tests.bench.nightly.duck import duckdb_marts
from tests.bench.nightly.extracting import measure_extract
from tests.bench.nightly.measuring import Spent, measured
from tests.bench.nightly.shop import ShopSize, fill_lake

LAST_DAY: Final = date(2026, 1, 31)
_DAYS: Final = 90
_CUSTOMERS: Final = 100_000
_FIGURES: Final = ("seconds", "cpu_seconds")


def measure_nightly(
    var_dir: Path, orders: list[int], rounds: int, report: Callable[[str], None]
) -> dict[str, Any]:
    """One entry per size; medians of `rounds` fresh sessions and engines."""
    settings = BatchSettings()
    sizes = {}
    for count in orders:
        lake, rows = _lake(var_dir, count)
        report(f"nightly: {rows} rows in the lake")
        runs = [_round(lake, settings, var_dir, report) for _ in range(rounds)]
        sizes[str(count)] = {"rows": rows, **_medians(runs), "rounds": rounds}
        if count == min(orders):
            spent = measure_extract(lake, LAST_DAY, var_dir, report)
            sizes[str(count)]["extract"] = {name: one.report() for name, one in spent.items()}
    return {
        "customers": _CUSTOMERS, "days": _DAYS, "threads": settings.cores, "heap": settings.memory,
        "meaning": __doc__, "orders": sizes,
    }  # fmt: skip


def _lake(var_dir: Path, orders: int) -> tuple[Lake, dict[str, int]]:
    lake = Lake(str(var_dir / f"lake-{orders}"))
    manifest = lake.read_manifest()
    if not manifest.tables:
        return lake, fill_lake(lake, ShopSize(orders, _CUSTOMERS, _DAYS, LAST_DAY), 2)
    return lake, {name: manifest.totals(name, LAST_DAY).rows for name in manifest.tables}


def _round(
    lake: Lake, settings: BatchSettings, var_dir: Path, report: Callable[[str], None]
) -> dict[str, Spent]:
    with (
        measured() as duck,
        duckdb_marts(lake, LAST_DAY, settings.cores, settings.session_gap_minutes) as engine,
    ):
        wanted = {mart.name: _row_count(engine, mart.name) for mart in MARTS}
    spent = {"duckdb": duck, **_spark_round(lake, settings, var_dir, wanted)}
    report("nightly: " + ", ".join(f"{k} {v.seconds:.1f} s" for k, v in spent.items()))
    return spent


def _spark_round(
    lake: Lake, settings: BatchSettings, var_dir: Path, wanted: dict[str, int]
) -> dict[str, Spent]:
    with measured() as start:
        session = spark_session(settings, var_dir)
        spark = session.__enter__()
    try:
        with measured() as making:
            computed = _compute(spark, lake, lake.read_manifest(), settings)
        found = {one.mart.name: one.rows for one in computed}
        if found != wanted:
            raise AssertionError(f"Spark made {found}, DuckDB {wanted}")
        with acknowledging_server() as url, measured() as writing:
            _write(computed, settings, url)
    finally:
        session.__exit__(None, None, None)
    return {"start": start, "compute": making, "write": writing}


def _compute(
    spark: SparkSession, lake: Lake, manifest: Manifest, settings: BatchSettings
) -> list[Computed]:
    known = Known(former_segments(spark, lake, None), {})
    bounds = Bounds(LAST_DAY, settings.max_staleness_days, settings.max_shrink)
    return compute(spark, lake, manifest, MARTS, known, settings, bounds)


def _write(computed: list[Computed], settings: BatchSettings, url: str) -> None:
    write = writer(settings, Target(url, "bench"))
    for one in computed:
        rows = versioned(one.frame, 1) if one.mart.fact_time else one.frame
        write(with_identity(one.mart, rows), one.mart.name)


def _row_count(engine: Any, mart: str) -> int:
    return int(engine.execute(f"SELECT count(*) FROM {mart}").fetchone()[0])


def _medians(runs: list[dict[str, Spent]]) -> dict[str, Any]:
    def middle(name: str, figure: str) -> float:
        return median(float(getattr(run[name], figure)) for run in runs)

    stages = {
        name: {figure: round(middle(name, figure), 2) for figure in _FIGURES} for name in runs[0]
    }
    duck = stages["duckdb"]
    ratios = {
        figure: {
            "compute_to_duckdb": round(stages["compute"][figure] / duck[figure], 2),
            "compute_and_write_to_duckdb": round(
                (stages["compute"][figure] + stages["write"][figure]) / duck[figure], 2
            ),
        }
        for figure in _FIGURES
    }
    return {"stages": stages, "ratios": ratios}
