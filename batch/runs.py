"""The run log: one document per run in `batch_runs`."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Self

from pymongo import DESCENDING
from pymongo.database import Database

from batch.warehouse import RUNS, Document, published, utc_midnight


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
        fields = {"job": job, "as_of": utc_midnight(as_of), "started": now, "status": "running"}
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
        {"status": "published", "as_of": {"$lt": utc_midnight(as_of)}, "counts.customer_segments": {"$exists": True}},
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
