"""All marts of a job from the lake, made and checked; MongoDB is not needed for it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from app.settings import BatchSettings
from batch.building import Builder
from batch.catalogue import Mart
from batch.frames import read_events
from batch.lake import Lake
from batch.manifest import Manifest
from batch.publish import Computed
from batch.quality import Bounds, checked, with_product
from batch.sources import TRANSACTIONS

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Known:
    """What earlier runs left: segments of the run before, and the published run's entry of each mart."""

    segments: DataFrame
    published: Mapping[str, Mapping[str, Any]]


def compute(
    spark: SparkSession,
    lake: Lake,
    manifest: Manifest,
    marts: tuple[Mart, ...],
    known: Known,
    settings: BatchSettings,
    bounds: Bounds,
    report: Report = lambda _: None,
) -> list[Computed]:
    """The marts, persisted; raises QualityError with everything wrong in the first bad one."""
    events = read_events(spark, lake, manifest, bounds.as_of)
    gap = timedelta(minutes=settings.session_gap_minutes)
    totals = manifest.totals(TRANSACTIONS.name, bounds.as_of)
    computed = []
    builder = Builder(events, known.segments, bounds.as_of, bounds.complete_before, gap)
    for mart, frame in builder.build(marts):
        expected = with_product(events.transactions) if mart.products_only else totals
        one = checked(mart, frame, expected, known.published.get(mart.name, {}), bounds)
        report(f"{mart.name}: {one.rows:,} rows")
        computed.append(one)
    return computed
