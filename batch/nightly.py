"""The composition root of the batch: one run from PostgreSQL's snapshot to the publish in MongoDB."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, timedelta
from typing import Any

from bson.decimal128 import Decimal128
from pyspark.sql import SparkSession

from app.settings import Settings
from batch.adbc import batch_lock, require_lock
from batch.compute import PreviousRun, compute
from batch.extract import Report, extract
from batch.jdbc import JdbcReader
from batch.lake import Lake
from batch.manifest import Manifest
from batch.mart import Mart
from batch.mart_catalogue import JOBS
from batch.marts.customer_segments import CUSTOMER_SEGMENTS
from batch.night_size import NightSize
from batch.postgres_snapshot import Reader, open_snapshot
from batch.publish import Computed, Publisher, Staged, now_utc
from batch.quality import Bounds, check_freshness
from batch.run_errors import logged, translate_errors
from batch.run_metrics import write_metrics
from batch.segment_history import previous_segments, store_segments
from batch.session import spark_session
from batch.sources import LAKE_TABLES
from batch.warehouse_writer import (
    Run,
    drop_unused,
    last_runs,
    open_warehouse,
    published,
    run_with_former_segments,
    settle_dead_runs,
    target,
)
from batch.writers import writer


@dataclass(frozen=True, slots=True)
class Job:
    """A job: its name, the last day included, and whether every day is read again."""

    name: str
    as_of: date
    full: bool = False

    @property
    def marts(self) -> tuple[Mart, ...]:
        """The marts that it computes and publishes together."""
        return JOBS[self.name]


@dataclass(slots=True)
class Outcome:
    """The result of a run; `stage_seconds` in their order, `staged` by mart."""

    run_id: str
    snapshot: str = ""
    extracted_days: int = 0
    extracted_rows: int = 0
    staged: list[Staged] = field(default_factory=list)
    stage_seconds: dict[str, float] = field(default_factory=dict)


def yesterday() -> date:
    """Returns the last complete UTC day."""
    return now_utc().date() - timedelta(days=1)


def run_batch(
    settings: Settings, job: Job, report: Report = lambda _: None, spark: SparkSession | None = None
) -> Outcome:
    """Runs one job and publishes it, in a new Spark session unless one is given.

    Raises LockHeldError while another run is in progress, and LakeError, QualityError or PublishError on a failure: the
    previous run then stays published.
    """
    with (
        translate_errors(settings.postgres, settings.mongo),
        batch_lock(settings.postgres) as lock,
        open_warehouse(settings.mongo) as database,
    ):
        settle_dead_runs(database, now_utc())
        drop_unused(database)
        run = Run.begin(database, job.name, job.as_of, now_utc())
        try:
            with logged(run):
                return _NightlyRun(settings, job, run, lock, report).execute(spark)
        finally:
            drop_unused(database)
            write_metrics(settings.general.batch_metrics_path, last_runs(database))


class _NightlyRun:
    """The steps of one run, in their order."""

    def __init__(self, settings: Settings, job: Job, run: Run, lock: Any, report: Report) -> None:
        self._settings = settings
        self._job = job
        self._run = run
        self._lock = lock
        self._report = report
        self._lake = Lake(settings.batch.lake or str(settings.general.var_dir / "lake"))
        self.outcome = Outcome(run.id)

    def execute(self, spark: SparkSession | None) -> Outcome:
        """Extracts, computes, checks, stages, switches."""
        with ExitStack() as stack:
            # Spark starts only when it is needed, because of its heap.
            if spark is None and self._settings.batch.reader == "jdbc":
                spark = stack.enter_context(self._own_session())
            with self._stage("extract"):
                manifest, bounds = self._extract(spark)
            check_freshness(manifest, bounds)
            if spark is None:
                size = NightSize.of(manifest, self._job.as_of, self._settings.batch)
                spark = stack.enter_context(self._own_session(small=size.small))
            stack.callback(self._lake.remove_orphans, manifest, LAKE_TABLES)
            self._compute_and_publish(spark, manifest, bounds)
        self._run.record(stage_seconds=self.outcome.stage_seconds)
        return self.outcome

    @contextmanager
    def _own_session(self, *, small: bool = False) -> Iterator[SparkSession]:
        with ExitStack() as stack:
            with self._stage("start Spark"):
                session = spark_session(self._settings.batch, self._settings.general.var_dir, small=small)
                spark = stack.enter_context(session)
            yield spark

    def _extract(self, spark: SparkSession | None) -> tuple[Manifest, Bounds]:
        job, batch = self._job, self._settings.batch
        with open_snapshot(self._settings.postgres, self._reader(spark)) as snapshot:
            done = extract(
                snapshot, self._lake, job.as_of, group_rows=batch.extract_rows, full=job.full, report=self._report
            )
            self._run.record(postgres_snapshot=snapshot.id, snapshot_taken=snapshot.taken_at)
        taken_on = snapshot.taken_at.astimezone(UTC).date()
        bounds = Bounds(job.as_of, taken_on, batch.max_staleness_days, batch.max_shrink)
        self.outcome.snapshot = done.manifest.snapshot_id(job.as_of, bounds.complete_before)
        self.outcome.extracted_days, self.outcome.extracted_rows = done.days, done.rows
        self._run.record(snapshot=self.outcome.snapshot, extracted_rows=done.rows)
        return done.manifest, bounds

    def _reader(self, spark: SparkSession | None) -> Reader | None:
        batch = self._settings.batch
        if spark is None or batch.reader == "adbc":
            return None
        return JdbcReader(spark, self._settings.postgres, batch.readers, batch.arrow_batch_rows).tables

    def _compute_and_publish(self, spark: SparkSession, manifest: Manifest, bounds: Bounds) -> None:
        with self._stage("compute"):
            computed = self._compute(spark, manifest, bounds)
        write = writer(self._settings.batch, target(self._settings.mongo))
        publisher = Publisher(self._run.database, self._run, write)
        with self._stage("stage"):
            for one in computed:
                self._report(f"{one.mart.name}: writing to MongoDB")
                self.outcome.staged.append(publisher.stage(one))
        self._record_figures(computed)
        with self._stage("switch"):
            require_lock(self._lock)
            publisher.switch(self.outcome.staged, self.outcome.snapshot, now_utc())
        spark.catalog.clearCache()

    def _compute(self, spark: SparkSession, manifest: Manifest, bounds: Bounds) -> list[Computed]:
        """Computes and checks all marts; stores the segments for the next run."""
        job = self._job
        former = run_with_former_segments(self._run.database, job.as_of)
        previous = PreviousRun(previous_segments(spark, self._lake, former), published(self._run.database)["marts"])
        computed = compute(spark, self._lake, manifest, job.marts, previous, self._settings.batch, bounds, self._report)
        for one in computed:
            if one.mart is CUSTOMER_SEGMENTS:
                store_segments(self._lake, self._run.id, job.as_of, one.frame)
        return computed

    def _record_figures(self, computed: list[Computed]) -> None:
        """Logs the figures before the switch: the next run needs the digests of the published days."""
        self._run.record(
            counts={one.mart.name: one.rows for one in computed},
            sums={one.mart.name: Decimal128(one.total) for one in computed},
            days={one.mart.name: dict(one.days) for one in self.outcome.staged if one.days},
        )

    @contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        self._report(name)
        started = time.monotonic()
        try:
            yield
        finally:
            self.outcome.stage_seconds[name] = time.monotonic() - started
