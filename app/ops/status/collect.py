"""Reads the state of the system from its stores; an unavailable store is reported, the others are still read."""

import asyncio
import time
from collections.abc import Awaitable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from pymongo import DESCENDING, MongoClient
from pymongo.database import Database
from pymongo.errors import PyMongoError

from app.errors import GlobalMartError, SettingsError, StoreUnavailableError, text_of
from app.kafka.offsets import RecordPosition, end_offsets
from app.ops.status.postgres_state import Ledger, LedgerReader
from app.prometheus import disk_of
from app.published_run import CURRENT, POINTER, RUNS, cause_of
from app.settings import MongoSettings, Settings
from app.topics import SOURCE_TOPICS

AnswerT = TypeVar("AnswerT")


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


@dataclass(frozen=True, slots=True)
class StoreState:
    """A store and its problem, if any."""

    name: str
    address: str
    problem: str | None


@dataclass(frozen=True, slots=True)
class TopicState:
    """State of a source topic; a figure is None if its store is unavailable. `rate` is records committed per second."""

    topic: str
    lag: int | None
    rate: float | None
    consumed: int | None
    stored: int | None
    duplicates: int | None
    dead_lettered: int | None
    watermark: datetime | None


@dataclass(frozen=True, slots=True)
class Status:
    """The state of the whole system; sizes in bytes."""

    taken_at: datetime
    stores: tuple[StoreState, ...]
    topics: tuple[TopicState, ...]
    ledger: Ledger | None
    runs: Runs | None
    disk_path: Path
    disk_total: int
    disk_free: int

    @property
    def all_answer(self) -> bool:
        """Whether every store answers."""
        return all(store.problem is None for store in self.stores)


async def collect_status(settings: Settings, over_seconds: float) -> Status:
    """Reads all stores concurrently; rates are the ledger's over this many seconds."""
    (postgres, ledger), (kafka, ends), (mongo, runs) = await asyncio.gather(
        _try("PostgreSQL", _postgres_address(settings), _read_ledger(settings, over_seconds)),
        _try("Kafka", settings.kafka.bootstrap, _read_ends(settings, over_seconds)),
        _try("MongoDB", settings.mongo.database, asyncio.to_thread(read_runs, settings.mongo)),
    )
    disk_path, disk = disk_of(settings.general.var_dir)
    return Status(
        datetime.now(UTC),
        (kafka, postgres, mongo),
        tuple(_topic(topic, ledger, ends) for topic in SOURCE_TOPICS),
        ledger,
        runs,
        disk_path,
        disk.total,
        disk.free,
    )


async def _try(name: str, address: str, answer: Awaitable[AnswerT]) -> tuple[StoreState, AnswerT | None]:
    """Awaits a store's answer; a GlobalMartError becomes its problem, anything else is a bug and is raised."""
    try:
        return StoreState(name, address, None), await answer
    except GlobalMartError as error:
        return StoreState(name, address, text_of(error)), None


async def _read_ledger(settings: Settings, over_seconds: float) -> Ledger:
    async with LedgerReader(settings.postgres) as reader:
        before, started = await reader.consumed(), time.monotonic()
        await asyncio.sleep(over_seconds)
        return await reader.read(before, time.monotonic() - started)


async def _read_ends(settings: Settings, over_seconds: float) -> Mapping[RecordPosition, int]:
    """Reads the ends after the ledger, so that a lag is never below zero."""
    await asyncio.sleep(over_seconds)
    return await asyncio.to_thread(end_offsets, settings.kafka, SOURCE_TOPICS)


def _topic(topic: str, ledger: Ledger | None, ends: Mapping[RecordPosition, int] | None) -> TopicState:
    if ledger is None:
        return TopicState(topic, None, None, None, None, None, None, None)
    entry = ledger.topics[topic]
    lag = None
    if ends is not None:
        places = {place: end for place, end in ends.items() if place[0] == topic}
        lag = sum(max(0, end - ledger.next_offsets.get(place, 0)) for place, end in places.items())
    return TopicState(
        topic, lag, entry.rate, entry.consumed, entry.stored, entry.duplicates, entry.dead_lettered, entry.watermark
    )


def _postgres_address(settings: Settings) -> str:
    postgres = settings.postgres
    return f"{postgres.host}:{postgres.port}/{postgres.database}"
