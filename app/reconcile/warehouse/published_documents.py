"""The documents of the published run, read without any code of the API or of the batch."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import PyMongoError

from app.errors import RecountError
from app.settings import MongoSettings

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class PublishedDocuments:
    """The marts that readers see; `started_at` is when their run began to read PostgreSQL, None if unknown."""

    database: Database[Document]
    pointer: Document
    started_at: datetime | None

    @property
    def as_of(self) -> date:
        """The last day the run counts."""
        day: date = self.pointer["as_of"].date()
        return day

    def rows(self, mart: str) -> list[Document]:
        """The documents of a mart; of a fact only those of the published version."""
        entry = self.pointer["marts"][mart]
        shown = {"since": {"$lte": entry["version"]}, "until": {"$gt": entry["version"]}}
        return list(self.database[entry["collection"]].find(shown if mart.startswith("fact_") else {}))


@contextmanager
def open_published(settings: MongoSettings) -> Iterator[PublishedDocuments]:
    """Connect to the warehouse; raises RecountError when it does not answer or no run is published."""
    if settings.url is None:
        raise RecountError("GLOBALMART_MONGO_URL is not set; without it there is no warehouse to compare")
    try:
        with MongoClient[Document](settings.url.get_secret_value(), tz_aware=True) as client:
            database = client[settings.database]
            pointer = database["published_run"].find_one({"_id": "current"})
            if pointer is None:
                raise RecountError("no run is published yet; run `globalmart batch nightly`, then compare again")
            run = database["batch_runs"].find_one({"_id": pointer["run_id"]})
            yield PublishedDocuments(database, pointer, None if run is None else run["started"])
    except PyMongoError as error:
        raise RecountError(f"MongoDB: {error}; check GLOBALMART_MONGO_*") from error
