"""Runs the nightly part: the batch's own code compared with DuckDB, on lakes of several sizes.

What each figure holds:
  start          Spark's start, its own processes included; in no ratio. Java starts again for each round, as at night:
                 one that has compiled the code for a size before is quicker
  compute        the lake read, every mart made, cached, checked and digested: `batch.compute.compute`
  marts          what each mart added to compute, in the order they are made
  write          every row of every mart to a server that acknowledges without storing: a first publish, the
                 MongoDB server's time left out
  write_night    the same on a usual night: of the facts one new day, of the others every row
  extract        if asked for, of the smallest size, once: every day out of PostgreSQL into an empty lake, then a
                 second time with nothing changed; PostgreSQL's time is in the seconds of the wall
  duckdb         the same marts from the same files into tables in memory, with as many threads
Every figure has seconds of the wall and of the processors, the latter of this process and
what it starts; the ratios are of both.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any, Final

from pyspark import SparkContext
from pyspark.sql import SparkSession
from pyspark.sql import functions as f

from app.settings import BatchSettings
from batch.compute import PreviousRun, compute
from batch.lake import Lake
from batch.manifest import Manifest
from batch.mart_catalogue import MARTS
from batch.night_size import NightSize
from batch.publish import Computed, versioned, with_identity
from batch.quality import Bounds
from batch.segment_history import previous_segments
from batch.session import spark_session
from batch.sources import LAKE_TABLES
from batch.warehouse_writer import Target
from batch.writers import writer
from tests.bench.nightly.acknowledging import acknowledging_server
from tests.bench.nightly.duck import duckdb_marts
from tests.bench.nightly.extracting import measure_extract
from tests.bench.nightly.measuring import Laps, Spent, measured
from tests.bench.nightly.shop import ShopSize, fill_lake

LAST_DAY: Final = date(2026, 1, 31)
_DAYS: Final = 90
_CUSTOMERS: Final = 100_000
_FIGURES: Final = ("seconds", "cpu_seconds")
_RATIOS: Final = {
    "compute_to_duckdb": ("compute",),
    "compute_and_write_night_to_duckdb": ("compute", "write_night"),
    "compute_and_write_to_duckdb": ("compute", "write"),
}


def measure_nightly(
    var_dir: Path, orders: list[int], rounds: int, extracts: bool, report: Callable[[str], None]
) -> dict[str, Any]:
    """One entry per size; medians of `rounds` fresh sessions and engines. Lakes in `var_dir` are used again."""
    settings = BatchSettings()
    sizes = {}
    for count in orders:
        lake, rows = _lake(var_dir, count)
        report(f"nightly: {rows} rows in the lake")
        runs = [_round(lake, settings, var_dir, report) for _ in range(rounds)]
        sizes[str(count)] = {"rows": rows, **_medians(runs), "rounds": rounds}
        if extracts and count == min(orders):
            spent = measure_extract(lake, LAST_DAY, var_dir, report)
            sizes[str(count)]["extract"] = {name: one.report() for name, one in spent.items()}
    return {
        "customers": _CUSTOMERS,
        "days": _DAYS,
        "threads": settings.cores,
        "heap": settings.memory,
        "load": os.getloadavg(),
        "meaning": __doc__,
        "orders": sizes,
    }


def _lake(var_dir: Path, orders: int) -> tuple[Lake, dict[str, int]]:
    lake = Lake(str(var_dir / f"lake-{orders}"))
    manifest = lake.read_manifest()
    if not manifest.tables:
        return lake, fill_lake(lake, ShopSize(orders, _CUSTOMERS, _DAYS, LAST_DAY), 2)
    return lake, {name: manifest.totals(name, LAST_DAY).rows for name in manifest.tables}


def _round(lake: Lake, settings: BatchSettings, var_dir: Path, report: Callable[[str], None]) -> dict[str, Spent]:
    with measured() as duck, duckdb_marts(lake, LAST_DAY, settings.cores, settings.session_gap_minutes) as engine:
        wanted = {mart.name: _row_count(engine, mart.name) for mart in MARTS}
    report(f"nightly: duckdb {duck.report()}")
    return {"duckdb": duck, **_spark_round(lake, settings, var_dir, wanted, report)}


def _spark_round(
    lake: Lake, settings: BatchSettings, var_dir: Path, wanted: dict[str, int], report: Callable[[str], None]
) -> dict[str, Spent]:
    spent: dict[str, Spent] = {}

    @contextmanager
    def stage(name: str, leave_out: int | None = None) -> Iterator[None]:
        with measured(leave_out) as spent[name]:
            yield
        report(f"nightly: {name} {spent[name].report()}")

    with ExitStack() as stack:
        stack.callback(_end_java)
        with stage("start"):
            manifest = lake.read_manifest()
            size = NightSize.of(manifest, LAST_DAY, settings)
            spark = stack.enter_context(spark_session(settings, var_dir, small=size.small))
        stack.callback(lake.remove_orphans, manifest, LAKE_TABLES)
        with stage("compute"):
            computed, marts = _compute(spark, lake, manifest, settings)
        report("nightly: " + ", ".join(f"{k} {v.cpu_seconds:.1f}" for k, v in marts.items()))
        found = {one.mart.name: one.rows for one in computed}
        if found != wanted:
            raise AssertionError(f"Spark made {found}, DuckDB {wanted}")
        url, server = stack.enter_context(acknowledging_server())
        with stage("write_night", server):
            _write(computed, settings, url, LAST_DAY)
        with stage("write", server):
            _write(computed, settings, url)
    return {**spent, **marts}


def _end_java() -> None:
    """PySpark keeps its Java process for the next session of this one."""
    gateway = SparkContext._gateway
    assert gateway is not None
    gateway.shutdown()
    gateway.proc.stdin.close()
    gateway.proc.wait()
    SparkContext._gateway = SparkContext._jvm = None


def _compute(
    spark: SparkSession, lake: Lake, manifest: Manifest, settings: BatchSettings
) -> tuple[list[Computed], dict[str, Spent]]:
    """The marts, and what each of them took."""
    known = PreviousRun(previous_segments(spark, lake, None), {})
    bounds = Bounds(LAST_DAY, date.max, settings.max_staleness_days, settings.max_shrink)
    laps = Laps()
    computed = compute(spark, lake, manifest, MARTS, known, settings, bounds, laps.lap)
    return computed, {line.split(":")[0]: spent for line, spent in laps.spent.items()}


def _write(computed: list[Computed], settings: BatchSettings, url: str, day: date | None = None) -> None:
    """Every row, or of the facts one day's."""
    write = writer(settings, Target(url, "bench"))
    for one in computed:
        rows, count = one.frame, one.rows
        if one.mart.fact_time is not None:
            rows = versioned(rows, 1)
            if day is not None:
                rows = rows.where(f.to_date(one.mart.fact_time) == f.lit(day))
                count = int(one.days[str(day)].split(":")[0])
        write(with_identity(one.mart, rows), one.mart.name, count)


def _row_count(engine: Any, mart: str) -> int:
    return int(engine.execute(f"SELECT count(*) FROM {mart}").fetchone()[0])


def _medians(runs: list[dict[str, Spent]]) -> dict[str, Any]:
    def middle(name: str, figure: str) -> float:
        return median(float(getattr(run[name], figure)) for run in runs)

    stages = {name: {figure: round(middle(name, figure), 2) for figure in _FIGURES} for name in runs[0]}
    duck = stages["duckdb"]
    ratios = {
        figure: {
            name: round(sum(stages[part][figure] for part in parts) / duck[figure], 2)
            for name, parts in _RATIOS.items()
        }
        for figure in _FIGURES
    }
    return {"stages": stages, "ratios": ratios}
