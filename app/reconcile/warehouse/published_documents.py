"""The documents of the published run, read without any code of the API."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

from pymongo import MongoClient

from app.errors import EmbeddedStackError
from app.settings import MongoSettings

Document = dict[str, Any]
#: The documents of a mart by its name.
Rows = Callable[[str], list[Document]]


def read_on(settings: MongoSettings) -> date:
    """The UTC day PostgreSQL was read on for the published run; raises EmbeddedStackError if there is none."""
    assert settings.url is not None
    with MongoClient[Document](settings.url.get_secret_value(), tz_aware=True) as client:
        database = client[settings.database]
        pointer = database["published_run"].find_one({"_id": "current"}) or {}
        run = database["batch_runs"].find_one({"_id": pointer.get("run_id")})
    if run is None:
        raise EmbeddedStackError("no run of the batch is published")
    day: date = run["snapshot_taken"].date()
    return day


@contextmanager
def published(settings: MongoSettings, as_of: date) -> Iterator[Rows]:
    """Read the marts of the published run; raises EmbeddedStackError if it is of another day."""
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

        yield rows
