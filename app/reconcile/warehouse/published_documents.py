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


@contextmanager
def published(settings: MongoSettings, as_of: date) -> Iterator[Rows]:
    """Yields a reader of the published run's marts; raises EmbeddedStackError if the run is of another day."""
    assert settings.url is not None
    with MongoClient[Document](settings.url.get_secret_value(), tz_aware=True) as client:
        database = client[settings.database]
        pointer = database["published_run"].find_one({"_id": "current"})
        if pointer is None or pointer["as_of"].date() != as_of:
            raise EmbeddedStackError(f"the warehouse has not published {as_of}, but {pointer}")

        def rows(mart: str) -> list[Document]:
            entry = pointer["marts"][mart]
            fact = mart.startswith("fact_")
            visible = {"since": {"$lte": entry["version"]}, "until": {"$gt": entry["version"]}}
            return list(database[entry["collection"]].find(visible if fact else {}))

        yield rows
