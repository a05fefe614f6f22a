"""Which function makes which mart, and from what."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property

from pyspark.sql import DataFrame

from batch.catalogue import Mart
from batch.frames import Events, kept
from batch.marts.customer_segments import customer_segments, customer_totals
from batch.marts.fact_sales import fact_sales
from batch.marts.fact_sessions import fact_sessions
from batch.marts.product_performance import product_events, product_performance
from batch.marts.sales_trends import sales_trends
from batch.marts.segment_migrations import segment_migrations


@dataclass(frozen=True)
class Builder:
    """Builds marts from one snapshot; what several of them read is computed once and kept.

    Days before `complete_before` are over.
    """

    events: Events
    previous_segments: DataFrame
    as_of: date
    complete_before: date
    session_gap: timedelta

    def build(self, marts: Iterable[Mart]) -> Iterator[tuple[Mart, DataFrame]]:
        """Each mart with its rows, kept: they are checked, counted and written."""
        makers: Mapping[str, Callable[[], DataFrame]] = {
            "fact_sales": lambda: self._sales,
            "fact_sessions": lambda: fact_sessions(self.events, self.session_gap),
            "customer_segments": lambda: self._segments,
            "segment_migrations": lambda: kept(segment_migrations(self._segments)),
            "sales_trends": lambda: kept(
                sales_trends(self._sales, self.as_of, self.complete_before)
            ),
            "product_performance": lambda: kept(
                product_performance(kept(product_events(self.events)))
            ),
        }
        for mart in marts:
            yield mart, makers[mart.name]()

    @cached_property
    def _sales(self) -> DataFrame:
        return kept(fact_sales(self.events.transactions))

    @cached_property
    def _segments(self) -> DataFrame:
        customers = kept(customer_totals(self.events.transactions))
        return kept(customer_segments(customers, self.previous_segments, self.as_of))
