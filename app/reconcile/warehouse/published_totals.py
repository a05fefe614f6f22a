"""Totals of the published run in MongoDB, added up document by document."""

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal

from app.reconcile.warehouse import stored_totals as checks
from app.reconcile.warehouse.published_documents import Document, PublishedDocuments
from app.reconcile.warehouse.stored_totals import Totals


def published_totals(published: PublishedDocuments) -> Totals:
    """Returns the figures of the published run."""
    rows = published.rows
    sales = [(row, row["total_amount"].to_decimal()) for row in rows("fact_sales")]
    return {
        checks.DAYS: _summed((_day(row), amount) for row, amount in sales),
        checks.COUNTRIES: _summed((row["country"], amount) for row, amount in sales),
        checks.CATEGORIES: _summed((row["category"], amount) for row, amount in sales),
        checks.ORDERS: _summed((_day(row), Decimal(row["transaction_count"])) for row, _ in sales),
        checks.TRENDS: _summed(
            (row["period"], row["revenue"].to_decimal())
            for row in rows("sales_trends")
            if row["period_type"] == "daily" and row["country"] is None
        ),
        checks.SESSIONS: _summed(("all", row["revenue"].to_decimal()) for row in rows("fact_sessions")),
        checks.CUSTOMERS: _summed((row["segment_name"], Decimal(1)) for row in rows("customer_segments")),
    }


def _day(row: Document) -> str:
    return str(row["date_time"].date())


def _summed(pairs: Iterable[tuple[str, Decimal]]) -> dict[str, Decimal]:
    totals: dict[str, Decimal] = defaultdict(Decimal)
    for name, figure in pairs:
        totals[name] += figure
    return dict(totals)
