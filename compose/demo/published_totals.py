"""What the warehouse in MongoDB shows its readers, document by document."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import date
from decimal import Decimal
from typing import Any

from pymongo import MongoClient

from app.errors import EmbeddedStackError
from app.settings import MongoSettings
from compose.demo import stored_totals as checks
from compose.demo.stored_totals import Totals

Document = dict[str, Any]


def published_totals(settings: MongoSettings, as_of: date) -> Totals:
    """The figures of the published run; raises EmbeddedStackError if it is of another day."""
    assert settings.url is not None
    with MongoClient[Document](settings.url.get_secret_value(), tz_aware=True) as client:
        database = client[settings.database]
        pointer = database["published_run"].find_one({"_id": "current"})
        if pointer is None or pointer["as_of"].date() != as_of:
            raise EmbeddedStackError(f"the warehouse does not show {as_of}, but {pointer}")

        def rows(mart: str) -> list[Document]:
            entry = pointer["marts"][mart]
            fact = mart.startswith("fact_")
            shown = {"since": {"$lte": entry["version"]}, "until": {"$gt": entry["version"]}}
            return list(database[entry["collection"]].find(shown if fact else {}))

        return _totals(rows)


def _totals(rows: Callable[[str], list[Document]]) -> Totals:
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
        checks.SESSIONS: _summed(
            ("all", row["revenue"].to_decimal()) for row in rows("fact_sessions")
        ),
        checks.CUSTOMERS: _summed(
            (row["segment_name"], Decimal(1)) for row in rows("customer_segments")
        ),
    }


def _day(row: Document) -> str:
    return str(row["date_time"].date())


def _summed(pairs: Iterable[tuple[str, Decimal]]) -> dict[str, Decimal]:
    totals: dict[str, Decimal] = defaultdict(Decimal)
    for name, figure in pairs:
        totals[name] += figure
    return dict(totals)
