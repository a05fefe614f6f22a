"""The documents of the published run, read without any code of the API or of the batch."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import PyMongoError

from app.errors import RecountError, text_of
from app.reconcile.warehouse import stored_totals as checks
from app.reconcile.warehouse.stored_totals import Totals
from app.settings import MongoSettings

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class PublishedDocuments:
    """The published marts, and the log entry of their run."""

    database: Database[Document]
    pointer: Document
    run: Document

    @property
    def as_of(self) -> date:
        """The last day the run counts."""
        day: date = self.pointer["as_of"].date()
        return day

    @property
    def read_on(self) -> date:
        """The UTC day on which the run read PostgreSQL."""
        day: date = self.run["snapshot_taken"].date()
        return day

    def rows(self, mart: str) -> list[Document]:
        """The documents of a mart; of a fact only those of the published version."""
        entry = self.pointer["marts"][mart]
        shown = {"since": {"$lte": entry["version"]}, "until": {"$gt": entry["version"]}}
        return list(self.database[entry["collection"]].find(shown if mart.startswith("fact_") else {}))


@contextmanager
def open_published(settings: MongoSettings) -> Iterator[PublishedDocuments]:
    """Connects to the warehouse; raises RecountError when it does not answer or no run is published."""
    if settings.url is None:
        raise RecountError("GLOBALMART_MONGO_URL is not set; without it there is no warehouse to compare")
    try:
        with MongoClient[Document](settings.url.get_secret_value(), tz_aware=True) as client:
            database = client[settings.database]
            pointer = database["published_run"].find_one({"_id": "current"})
            if pointer is None:
                raise RecountError("no run is published yet; run `globalmart batch nightly`, then compare again")
            run = database["batch_runs"].find_one({"_id": pointer["run_id"]})
            if run is None:
                raise RecountError(f"batch_runs has no entry of the published run {pointer['run_id']}")
            yield PublishedDocuments(database, pointer, run)
    except PyMongoError as error:
        raise RecountError(f"MongoDB: {text_of(error)}; check GLOBALMART_MONGO_*") from error


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
