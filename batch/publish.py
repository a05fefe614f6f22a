"""Publishes to MongoDB in two phases: stages, indexes and verifies every mart, then switches all at once.

Before the switch readers see nothing of the run; a failure or a kill until then does not change the published run, and
the next run removes the staged documents.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from bson.decimal128 import Decimal128
from pymongo.collection import Collection
from pymongo.database import Database
from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as f

from app.domain.timestamps import midnight
from app.errors import PublishError
from batch.frames import within_days
from batch.mart import Mart
from batch.warehouse_writer import OPEN, Document, Run, collection_name, day_digests, published, switch
from batch.writers import Write

#: MongoDB's times are whole milliseconds; the calendar's last day has no next day to use as the end.
_TO_THE_END_OF_A_DAY: Final = timedelta(days=1) - timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Computed:
    """A mart ready to be published; `rows` and `total` (of its money) are those of the checks.

    `days` are the digests of a fact's UTC days, empty for other marts.
    """

    mart: Mart
    frame: DataFrame
    rows: int
    total: Decimal
    days: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Staged:
    """A staged mart: its `entry` for the pointer; `days` are the digests of a fact's days."""

    mart: Mart
    entry: Document
    days: Mapping[str, str]
    written: int


class Publisher:
    """Publishes the marts of one run; `write` inserts rows into a collection."""

    def __init__(self, database: Database[Document], run: Run, write: Write) -> None:
        self._database = database
        self._run = run
        self._write = write
        self._before = published(database)

    def stage(self, computed: Computed) -> Staged:
        """Indexes, writes and verifies one mart; raises PublishError if MongoDB's content differs."""
        if computed.mart.fact_time is not None:
            return self._stage_fact(computed, computed.mart.fact_time)
        collection = self._collection(computed.mart)
        _index(collection, computed.mart)
        self._write(with_identity(computed.mart, computed.frame), collection.name, computed.rows)
        _verify(collection, {}, computed.mart, computed.rows, computed.total)
        return Staged(computed.mart, self._entry(computed), {}, computed.rows)

    def switch(self, staged: Sequence[Staged], snapshot: str, now: datetime) -> None:
        """Publishes all staged marts in one write; marts of other jobs do not change."""
        entries = {one.mart.name: one.entry for one in staged}
        after = {
            "number": self._run.number,
            "run_id": self._run.id,
            "as_of": midnight(self._run.as_of),
            "snapshot": snapshot,
            "published_at": now,
            "marts": {**self._before["marts"], **entries},
            "previous": self._before["marts"],
        }
        switch(self._database, self._before, after)

    def _stage_fact(self, computed: Computed, time: str) -> Staged:
        mart, number = computed.mart, self._run.number
        collection = self._collection(mart)
        _index(collection, mart)
        seen = self._before["marts"].get(mart.name)
        old = {} if seen is None else day_digests(self._database, seen["run_id"], mart.name)
        new = computed.days
        changed = [day for day, digest in new.items() if old.get(day) != digest]
        gone = [day for day in old if day not in new]
        rows = computed.frame.where(within_days(time, map(date.fromisoformat, changed)))
        expected = sum(_rows_of(new[day]) for day in changed)
        self._write(with_identity(mart, versioned(rows, number)), collection.name, expected)
        total = sum((Decimal(new[day].split(":")[1]) for day in changed), Decimal(0))
        _verify(collection, {"until": OPEN, "since": number}, mart, expected, total)
        self._expire(collection, time, [*changed, *gone], old)
        return Staged(mart, self._entry(computed), new, expected)

    def _expire(self, collection: Collection[Document], time: str, days: list[str], old: Mapping[str, str]) -> None:
        """Ends the replaced rows at this version; readers of the published version still see them."""
        for day in (day for day in days if day in old):
            start = midnight(date.fromisoformat(day))
            within = {time: {"$gte": start, "$lte": start + _TO_THE_END_OF_A_DAY}}
            former = {"since": {"$lt": self._run.number}, "until": OPEN}
            answer = collection.update_many({**within, **former}, {"$set": {"until": self._run.number}})
            if answer.modified_count != _rows_of(old[day]):
                raise PublishError(
                    f"{collection.name} held {answer.modified_count:,} rows of {day}, its run had "
                    f"published {_rows_of(old[day]):,}; another program wrote to it. Drop the collections "
                    f"of the warehouse, {collection.name} and published_run, and run again"
                )

    def _collection(self, mart: Mart) -> Collection[Document]:
        return self._database[collection_name(mart, self._run.number)]

    def _entry(self, computed: Computed) -> Document:
        return {
            "collection": collection_name(computed.mart, self._run.number),
            "version": self._run.number,
            "run_id": self._run.id,
            "as_of": midnight(self._run.as_of),
            "rows": computed.rows,
            "total": Decimal128(computed.total),
        }


def with_identity(mart: Mart, rows: DataFrame) -> DataFrame:
    """Adds `_id` as the first column: the mart's key, for a fact together with its version."""
    keys = list(mart.key) + (["since"] if mart.fact_time else [])
    identity = f.col(keys[0]) if len(keys) == 1 else f.struct(*keys)
    return rows.select(identity.alias("_id"), "*")


def versioned(rows: DataFrame, number: int) -> DataFrame:
    """Adds the version columns to a fact's rows: visible from this run on, not replaced."""
    return rows.withColumns({"since": f.lit(number), "until": f.lit(OPEN)})


def row_hashes(mart: Mart) -> list[Column]:
    """Returns the sum of all rows' 64-bit hashes, as two sums of their halves, which do not overflow 64 bits."""
    hashed = f.xxhash64(*(f.col(name) for name in mart.schema.names))
    return [
        f.sum(f.shiftright(hashed, 32)).alias("hash_high"),
        f.sum(hashed.bitwiseAND(f.lit(2**32 - 1))).alias("hash_low"),
    ]


def digest(day: Row) -> str:
    """Returns `rows:revenue:hash` of a day; equal rows in any order give equal text."""
    return f"{day.rows}:{day.total}:{day.hash_high * 2**32 + day.hash_low}"


def _rows_of(digest: str) -> int:
    return int(digest.split(":")[0])


def _verify(collection: Collection[Document], filter_: Document, mart: Mart, rows: int, total: Decimal) -> None:
    group: Document = {"_id": None, "rows": {"$sum": 1}, "total": {"$sum": f"${mart.money}"}}
    stages: list[Mapping[str, Any]] = [{"$match": filter_}, {"$group": group}]
    answer = next(iter(collection.aggregate(stages)), {"rows": 0, "total": Decimal128("0")})
    found = Decimal(str(answer["total"]))
    if (answer["rows"], found) != (rows, total):
        raise PublishError(
            f"{collection.name} holds {answer['rows']:,} rows with {mart.money} {found}, computed "
            f"were {rows:,} with {total}; nothing was published. Run again"
        )


def _index(collection: Collection[Document], mart: Mart) -> None:
    for index in mart.indexes:
        collection.create_index(list(index))
    if mart.fact_time:
        collection.create_index([("until", 1), ("since", 1)])


def now_utc() -> datetime:
    """Returns the time for the run log."""
    return datetime.now(UTC)
