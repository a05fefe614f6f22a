"""Writes the warehouse in MongoDB, and the pointer document that names the published run.

`app.published_run` describes how it is read. The views named like the marts show the same to people; they are updated
one by one right after a switch, so programs use the document. Dates have MongoDB's milliseconds: microseconds are
truncated.
"""

import re
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Self

from pymongo import DESCENDING, MongoClient
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from app.domain.timestamps import midnight
from app.errors import PublishError, SettingsError
from app.published_run import CURRENT, OPEN, POINTER, RUNS, Document, visible
from app.settings import MongoSettings
from batch.mart import Mart
from batch.mart_catalogue import MARTS

__all__ = ["OPEN", "POINTER", "RUNS", "Document", "visible"]


@dataclass(frozen=True, slots=True)
class Target:
    """The database that Spark's tasks write to."""

    url: str
    database: str


def target(settings: MongoSettings) -> Target:
    """Returns the target of the settings; raises SettingsError if there is none."""
    if settings.url is None:
        variable = settings.variable("url")
        raise SettingsError(f"{variable} is not set; `globalmart init` writes one into .env")
    return Target(settings.url.get_secret_value(), settings.database)


@contextmanager
def open_warehouse(settings: MongoSettings) -> Iterator[Database[Document]]:
    """Opens the warehouse's database; every write is acknowledged by a majority."""
    address = target(settings)
    timeout_ms = round(settings.connect_timeout_seconds * 1000)
    client: MongoClient[Document] = MongoClient(
        address.url, serverSelectionTimeoutMS=timeout_ms, tz_aware=True, w="majority"
    )
    with client:
        yield client[address.database]


def collection_name(mart: Mart, number: int) -> str:
    """Returns the collection of a mart: one for all runs of a fact, a new one per run for others."""
    return f"{mart.name}__rows" if mart.fact_time else f"{mart.name}__{number}"


def published(database: Database[Document]) -> Document:
    """Returns the pointer document; number 0 and no marts before the first publish."""
    return database[POINTER].find_one(CURRENT) or {"number": 0, "marts": {}, "previous": {}}


def switch(database: Database[Document], before: Mapping[str, Any], after: Document) -> None:
    """Publishes the new run, all marts in one write; raises PublishError if another run was published first."""
    if before["number"] == 0:
        try:
            database[POINTER].insert_one({**CURRENT, **after})
        except DuplicateKeyError:
            raise _overtaken(before) from None
        return
    answer = database[POINTER].replace_one({**CURRENT, "number": before["number"]}, after)
    if not answer.matched_count:
        raise _overtaken(before)


def _overtaken(before: Mapping[str, Any]) -> PublishError:
    return PublishError(f"another run was published after number {before['number']} meanwhile; run again")


def drop_unused(database: Database[Document]) -> None:
    """Deletes everything that neither the published run nor the previous one needs, and updates the views."""
    current = published(database)
    present = set(database.list_collection_names())
    for mart in MARTS:
        if mart.fact_time is None:
            _drop_collections(database, mart, current, present)
        elif collection_name(mart, 0) in present:
            _restore_fact(database, mart, current)
        if mart.name in current["marts"]:
            _point_view(database, mart, current["marts"][mart.name], mart.name in present)


def _drop_collections(database: Database[Document], mart: Mart, current: Document, present: set[str]) -> None:
    used = {marts[mart.name]["collection"] for marts in (current["marts"], current["previous"]) if mart.name in marts}
    staged = re.compile(rf"{mart.name}__\d+")
    for name in present - used:
        if staged.fullmatch(name):
            database.drop_collection(name)


def _restore_fact(database: Database[Document], mart: Mart, current: Document) -> None:
    """Reverts the rows of an unpublished run, and deletes those that no readable version contains."""
    rows = database[collection_name(mart, 0)]
    version = current["marts"].get(mart.name, {}).get("version", 0)
    former = current["previous"].get(mart.name, {}).get("version", version)
    rows.update_many({"until": {"$gt": version, "$lt": OPEN}}, {"$set": {"until": OPEN}})
    rows.delete_many({"until": OPEN, "since": {"$gt": version}})
    rows.delete_many({"until": {"$lte": former}})


def _point_view(database: Database[Document], mart: Mart, seen: Document, present: bool) -> None:
    stages: list[Document] = [{"$match": {}}]
    if mart.fact_time:
        stages = [{"$match": visible(seen["version"])}, {"$project": {"since": 0, "until": 0}}]
    command = "collMod" if present else "create"
    database.command(command, mart.name, viewOn=seen["collection"], pipeline=stages)


@dataclass(frozen=True, slots=True)
class Run:
    """A run in progress; `number` is the version that it will publish."""

    database: Database[Document]
    id: str
    number: int
    as_of: date

    @classmethod
    def begin(cls, database: Database[Document], job: str, as_of: date, now: datetime) -> Self:
        """Logs a new run; to be called with the batch's lock held, after `settle_dead_runs`."""
        number = published(database)["number"] + 1
        run = cls(database, f"{as_of}-{number}-{uuid.uuid4().hex[:8]}", number, as_of)
        fields = {"job": job, "as_of": midnight(as_of), "started": now, "status": "running"}
        database[RUNS].insert_one({"_id": run.id, "number": number, **fields})
        return run

    def record(self, **fields: Any) -> None:
        """Adds fields to the run's document."""
        self.database[RUNS].update_one({"_id": self.id}, {"$set": fields})

    def end(self, status: str, now: datetime, error: str | None = None) -> None:
        """Logs the outcome: `published` or `failed`."""
        self.record(status=status, ended=now, error=error)


def settle_dead_runs(database: Database[Document], now: datetime) -> None:
    """Logs the outcome of killed runs: as this process has the lock, a run logged as running was killed."""
    seen = published(database).get("run_id")
    for run in database[RUNS].find({"status": "running"}):
        status = "published" if run["_id"] == seen else "killed"
        error = None if status == "published" else "the process was killed; no error was recorded"
        database[RUNS].update_one({"_id": run["_id"]}, {"$set": {"status": status, "ended": now, "error": error}})


def day_digests(database: Database[Document], run_id: str, mart: str) -> Mapping[str, str]:
    """Returns the digest per day of a fact that a run has published."""
    run = database[RUNS].find_one({"_id": run_id}, {f"days.{mart}": 1}) or {}
    digests: Mapping[str, str] = run.get("days", {}).get(mart, {})
    return digests


def run_with_former_segments(database: Database[Document], as_of: date) -> tuple[str, date] | None:
    """Returns id and `as_of` of the latest published run with segments before this day."""
    found = database[RUNS].find_one(
        {"status": "published", "as_of": {"$lt": midnight(as_of)}, "counts.customer_segments": {"$exists": True}},
        sort=[("as_of", DESCENDING), ("number", DESCENDING)],
    )
    return None if found is None else (str(found["_id"]), found["as_of"].date())


def last_runs(database: Database[Document]) -> list[Document]:
    """Returns the newest run and the newest published run of every job, oldest first."""
    newest: dict[tuple[str, bool], Document] = {}
    for run in database[RUNS].find({"status": {"$ne": "running"}}).sort("started", 1):
        newest[run["job"], False] = run
        if run["status"] == "published":
            newest[run["job"], True] = run
    return sorted(newest.values(), key=lambda run: run["started"])
