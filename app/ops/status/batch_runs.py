"""Reads the batch's state from MongoDB: the published run, the last run, the database's size."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pymongo import DESCENDING, MongoClient
from pymongo.database import Database
from pymongo.errors import PyMongoError

from app.errors import SettingsError, StoreUnavailableError
from app.published_run import CURRENT, POINTER, RUNS, cause_of
from app.settings import MongoSettings


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the batch; `status` is running, published, failed or killed."""

    id: str
    job: str
    as_of: datetime
    status: str
    started: datetime
    ended: datetime | None
    error: str | None


@dataclass(frozen=True, slots=True)
class Runs:
    """The published run, the newest one, and the warehouse's size in bytes."""

    published: Run | None
    last: Run | None
    database_bytes: int


def read_runs(settings: MongoSettings) -> Runs:
    """Reads the runs once. Raises StoreUnavailableError, and SettingsError when no URL is set."""
    with open_database(settings) as database:
        pointer = database[POINTER].find_one(CURRENT) or {}
        published = database[RUNS].find_one({"_id": pointer.get("run_id")})
        last = database[RUNS].find_one(sort=[("started", DESCENDING)])
        size = database.command("dbStats")["totalSize"]
        return Runs(_run(published), _run(last), int(size))


@contextmanager
def open_database(settings: MongoSettings) -> Iterator[Database[dict[str, Any]]]:
    """Opens the warehouse's database; raises StoreUnavailableError for the errors of its client."""
    if settings.url is None:
        variable = settings.variable("url")
        raise SettingsError(f"{variable} is not set; `globalmart init` writes one into .env")
    limit_ms = round(settings.connect_timeout_seconds * 1000)
    options: Mapping[str, Any] = {
        "serverSelectionTimeoutMS": limit_ms,
        "socketTimeoutMS": 2 * limit_ms,
        "tz_aware": True,
    }
    try:
        with MongoClient[dict[str, Any]](settings.url.get_secret_value(), **options) as client:
            yield client[settings.database]
    except PyMongoError as error:
        raise StoreUnavailableError(
            f"MongoDB does not answer ({cause_of(error)}); start it or correct {settings.variable('url')}"
        ) from error


def _run(document: Mapping[str, Any] | None) -> Run | None:
    if document is None:
        return None
    return Run(
        str(document["_id"]),
        document["job"],
        document["as_of"],
        document["status"],
        document["started"],
        document.get("ended"),
        document.get("error"),
    )
