"""The composition of `globalmart erase-user`: tables, dead letters, lake, warehouse, remaining copies.

Every step is idempotent: the next run for the same user finishes a killed one.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import asyncpg
from pymongo.database import Database
from pymongo.errors import PyMongoError

from app.errors import GlobalMartError, StoreUnavailableError, text_of
from app.ops.dead_letters.repository import only_replay
from app.ops.erasure.table_eraser import DeadLetterEraser, Reached, TableEraser
from app.ops.erasure.warehouse_eraser import count_documents, count_files, erase_from_lake, erase_from_warehouse
from app.ops.lake_access import open_lake, require_published_lake
from app.ops.lock import exclusive_owner
from app.ops.retention.maintain import vacuum
from app.ops.retention.topic_retention import TopicRetention, topic_retention
from app.published_run import Document
from app.settings import Settings
from app.topics import ANOMALIES, DEAD_LETTERS, USER_TOPICS
from batch.adbc import batch_lock, require_lock
from batch.lake import Lake
from batch.warehouse_writer import drop_unused, open_warehouse, settle_dead_runs

_TOPICS: Final = {*USER_TOPICS, ANOMALIES, DEAD_LETTERS}
_ELSEWHERE: Final = (
    ("backups", "until you delete those made before; after a restore of one erase the user again"),
    (
        "PostgreSQL's write-ahead log, its archive and replicas",
        "until checkpoints recycle the log and you delete the archive",
    ),
    (
        "dead rows and freed space in PostgreSQL's files",
        "until vacuum and new rows overwrite them; no query reads them",
    ),
    (
        "MongoDB's journal and oplog, freed blocks, object versions of the lake's storage",
        "until they are overwritten or expire there",
    ),
    ("memory of workers", "until the next event of the partition, or a restart"),
    (
        "memory of the API, pages in browsers and dashboards",
        "the API's until it has polled the warehouse, some seconds; pages until they are reloaded",
    ),
    ("logs with URLs of requests for the user, and other consumers of the topics or the API", "not known here"),
)
_MAX_CHARACTERS: Final = 100


@dataclass(frozen=True, slots=True)
class RemainingCopy:
    """A place where copies remain and until when, in words; `at_the_latest` if that is known."""

    where: str
    until: str
    at_the_latest: datetime | None = None


def remaining_copies(settings: Settings, now: datetime) -> list[RemainingCopy]:
    """Returns all of them, topics with the broker's retention; raises KafkaTopicError if it does not answer."""
    topics = [_topic(found, now) for found in topic_retention(settings) if found.topic in _TOPICS]
    return [*topics, *(RemainingCopy(where, until) for where, until in _ELSEWHERE)]


def _topic(found: TopicRetention, now: datetime) -> RemainingCopy:
    where = f"Kafka topic {found.topic}"
    if found.found_ms < 0:
        return RemainingCopy(where, "forever: the topic has no retention")
    latest = now + timedelta(milliseconds=found.found_ms + found.segment_ms)
    hours = found.found_ms / 3_600_000
    return RemainingCopy(where, f"{hours:g} h and the rest of its segment", latest)


@dataclass(slots=True)
class Erased:
    """Number of rows by table, of lake files and warehouse documents; remaining copies.

    It names neither the user nor the pseudonym. `unfinished` counts interrupted erasures of other users.
    """

    dry_run: bool
    rows: dict[str, int] = field(default_factory=dict)
    lake_files: int = 0
    documents: int = 0
    unfinished: int = 0
    remaining: list[RemainingCopy] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


async def erase(
    settings: Settings, user_id: str, *, dry_run: bool = False, reached: Reached = lambda _: None
) -> Erased:
    """Replaces the user by a pseudonym everywhere, now and in future events, while workers run.

    Raises LockHeldError while the batch, another maintenance command or a replay of dead letters is running; LakeError,
    before any change, if the batch's lake is elsewhere; GlobalMartError for an invalid id, and if a store does not
    answer: then run it again. `reached` is called after each step.
    """
    if not 1 <= len(user_id) <= _MAX_CHARACTERS or user_id != _storable(user_id):
        raise GlobalMartError(f"a user's id has 1 to {_MAX_CHARACTERS} characters of Unicode, and no NUL")
    done = Erased(dry_run)
    with batch_lock(settings.postgres) as lock:
        require_published_lake(settings, open_lake(settings))
        async with _session(settings) as connection:
            eraser = _Eraser(settings, user_id, done, reached, connection, lock)
            await (eraser.count() if dry_run else eraser.erase())
    done.remaining = remaining_copies(settings, datetime.now(UTC))
    return done


def _storable(text: str) -> str:
    return text.encode("utf-8", "ignore").decode().replace("\0", "")


@asynccontextmanager
async def _session(settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    async with exclusive_owner(settings.postgres) as connection, only_replay(connection):
        yield connection


@contextmanager
def _warehouse(settings: Settings) -> Iterator[Database[Document]]:
    try:
        with open_warehouse(settings.mongo) as database:
            yield database
    except PyMongoError as error:
        raise StoreUnavailableError(
            f"MongoDB: {text_of(error)}. PostgreSQL and the lake are done; run this again once it answers"
        ) from error


@dataclass(frozen=True, slots=True)
class _Eraser:
    settings: Settings
    user_id: str
    done: Erased
    reached: Reached
    connection: asyncpg.Connection
    batch_lock: Any

    async def count(self) -> None:
        """Counts what contains the id."""
        dead_letters = await DeadLetterEraser(self.connection, self.user_id).count()
        self.done.rows |= {**await self._tables().count(), **dead_letters}
        self.done.lake_files = count_files(self._lake(), self.user_id)
        if self.settings.mongo.url is not None:
            with _warehouse(self.settings) as database:
                self.done.documents = count_documents(database, self.user_id)

    async def erase(self) -> None:
        """Erases from PostgreSQL first: after that, nothing new is stored with the id."""
        tables = self._tables()
        pseudonym = await tables.begin()
        await tables.rename(pseudonym)
        dead_letters = await DeadLetterEraser(self.connection, self.user_id).blank()
        await tables.mark("renamed_at")
        self.done.rows |= {**tables.done, **dead_letters}
        require_lock(self.batch_lock)
        self.done.lake_files = erase_from_lake(self._lake(), self.user_id, pseudonym, self.reached)
        if self.settings.mongo.url is not None:
            with _warehouse(self.settings) as database:
                require_lock(self.batch_lock)
                settle_dead_runs(database, datetime.now(UTC))
                drop_unused(database)
                self.done.documents = erase_from_warehouse(database, self.user_id, pseudonym, self.reached)
        await vacuum(self.connection, [table for table, rows in self.done.rows.items() if rows])
        await tables.mark("finished_at")
        self.done.unfinished = await self.connection.fetchval(
            "SELECT count(*) FROM erased_users WHERE finished_at IS NULL"
        )

    def _tables(self) -> TableEraser:
        return TableEraser(self.connection, self.user_id, self.reached)

    def _lake(self) -> Lake:
        return open_lake(self.settings)
