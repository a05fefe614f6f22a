"""Computes all marts of a job from the lake and checks them, without MongoDB."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from app.settings import BatchSettings
from app.topics import TRANSACTIONS
from batch.extract import Report
from batch.frames import read_events
from batch.lake import Lake
from batch.manifest import Manifest
from batch.mart import Mart, MartInputs
from batch.night_size import NightSize
from batch.publish import Computed
from batch.quality import Bounds, checked, with_product


@dataclass(frozen=True, slots=True)
class PreviousRun:
    """Data of earlier runs: segments of the previous run, and the published run's entry of each mart."""

    segments: DataFrame
    published: Mapping[str, Mapping[str, Any]]


def compute(
    spark: SparkSession,
    lake: Lake,
    manifest: Manifest,
    marts: tuple[Mart, ...],
    previous: PreviousRun,
    settings: BatchSettings,
    bounds: Bounds,
    report: Report = lambda _: None,
) -> list[Computed]:
    """Computes the marts, cached; raises QualityError with all problems of the first faulty one."""
    size = NightSize.of(manifest, bounds.as_of, settings)
    for name, value in size.options.items():
        spark.conf.set(name, value)
    events = read_events(spark, lake, manifest, bounds.as_of, gathered=size.small)
    gap = timedelta(minutes=settings.session_gap_minutes)
    totals = manifest.totals(TRANSACTIONS, bounds.as_of)
    computed = []
    inputs = MartInputs(events, previous.segments, bounds.as_of, bounds.complete_before, gap)
    for mart in marts:
        frame = inputs.rows(mart)
        expected = with_product(events[TRANSACTIONS]) if mart.products_only else totals
        one = checked(mart, frame, expected, previous.published.get(mart.name, {}), bounds)
        report(f"{mart.name}: {one.rows:,} rows")
        computed.append(one)
    return computed
