"""Computes all marts of a job from the lake and checks them; MongoDB is not needed for it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from app.settings import BatchSettings
from batch.catalogue import Mart
from batch.frames import Events, cached, read_events
from batch.lake import Lake
from batch.manifest import Manifest
from batch.marts.customer_segments import customer_segments, customer_totals
from batch.marts.fact_sales import fact_sales
from batch.marts.fact_sessions import fact_sessions
from batch.marts.product_performance import product_events, product_performance
from batch.marts.sales_trends import sales_trends
from batch.marts.segment_migrations import segment_migrations
from batch.publish import Computed
from batch.quality import Bounds, checked, with_product
from batch.sources import TRANSACTIONS


@dataclass(frozen=True)
class Builder:
    """Builds marts from one snapshot; what several of them read is computed once and cached.

    Days before `complete_before` are over.
    """

    events: Events
    previous_segments: DataFrame
    as_of: date
    complete_before: date
    session_gap: timedelta

    def build(self, marts: Iterable[Mart]) -> Iterator[tuple[Mart, DataFrame]]:
        """Each mart with its rows, cached: they are checked, counted and written."""
        makers: Mapping[str, Callable[[], DataFrame]] = {
            "fact_sales": lambda: self._sales,
            "fact_sessions": lambda: fact_sessions(self.events, self.session_gap),
            "customer_segments": lambda: self._segments,
            "segment_migrations": lambda: cached(segment_migrations(self._segments)),
            "sales_trends": lambda: cached(sales_trends(self._sales, self.as_of, self.complete_before)),
            "product_performance": lambda: cached(product_performance(cached(product_events(self.events)))),
        }
        for mart in marts:
            yield mart, makers[mart.name]()

    @cached_property
    def _sales(self) -> DataFrame:
        return cached(fact_sales(self.events.transactions))

    @cached_property
    def _segments(self) -> DataFrame:
        customers = cached(customer_totals(self.events.transactions))
        return cached(customer_segments(customers, self.previous_segments, self.as_of))


Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class PreviousRun:
    """What earlier runs left: segments of the run before, and the published run's entry of each mart."""

    segments: DataFrame
    published: Mapping[str, Mapping[str, Any]]


def compute(
    spark: SparkSession,
    lake: Lake,
    manifest: Manifest,
    marts: tuple[Mart, ...],
    known: PreviousRun,
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
