"""A warehouse for one test, written in the shape the batch publishes.

Use it from a `conftest.py`: `from tests.support.warehouses import warehouse` and list it in `__all__`.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from bson.decimal128 import Decimal128
from pymongo import MongoClient
from pymongo.database import Database as MongoDatabase

from app.domain.timestamps import midnight
from app.published_run import OPEN, RUNS, Document
from batch.mart import Mart
from batch.mart_catalogue import MARTS
from batch.warehouse_writer import collection_name, drop_unused, published, switch
from compose.embedded.stack import EmbeddedStack
from tests.support.databases import Database

Row = Mapping[str, Any]
_NOW = datetime(2026, 3, 1, 2, 4, tzinfo=UTC)


@dataclass(frozen=True)
class Warehouse:
    """The database of the warehouse."""

    mongo: MongoDatabase[Document]

    def publish(self, as_of: date, **rows: Sequence[Row]) -> str:
        """Publish some marts together, as one run; its id."""
        run_id, entries = self.stage(as_of, **rows)
        before = published(self.mongo)
        after = {
            "number": before["number"] + 1,
            "run_id": run_id,
            "as_of": midnight(as_of),
            "snapshot": "s",
            "published_at": _NOW,
            "marts": {**before["marts"], **entries},
            "previous": before["marts"],
        }
        switch(self.mongo, before, after)
        self.mongo[RUNS].update_one({"_id": run_id}, {"$set": {"status": "published", "ended": _NOW}})
        return run_id

    def stage(self, as_of: date, **rows: Sequence[Row]) -> tuple[str, Document]:
        """Write the marts of a run nobody sees yet; its id and its entries of the pointer."""
        number = published(self.mongo)["number"] + 1
        run_id = f"{as_of}-{number}"
        marts = [mart for mart in MARTS if mart.name in rows]
        counts = {mart.name: len(rows[mart.name]) for mart in marts}
        self.mongo[RUNS].insert_one(
            {
                "_id": run_id,
                "number": number,
                "job": "nightly",
                "as_of": midnight(as_of),
                "started": _NOW,
                "status": "running",
                "counts": counts,
            }
        )
        entries = {mart.name: self._write(mart, rows[mart.name], number) for mart in marts}
        for entry in entries.values():
            entry |= {"run_id": run_id, "as_of": midnight(as_of)}
        return run_id, entries

    def drop_unused(self) -> None:
        """What the batch does before and after a run: remove what nobody reads any more."""
        drop_unused(self.mongo)

    def _write(self, mart: Mart, rows: Sequence[Row], number: int) -> Document:
        collection = self.mongo[collection_name(mart, number)]
        versions: Document = {}
        keys = list(mart.key)
        if mart.fact_time:
            collection.update_many({"until": OPEN}, {"$set": {"until": number}})
            versions, keys = {"since": number, "until": OPEN}, [*keys, "since"]
        documents = [_document(keys, {**row, **versions}) for row in rows]
        if documents:
            collection.insert_many(documents)
        for index in mart.indexes:
            collection.create_index(list(index))
        total = sum((row[mart.money] for row in rows), Decimal(0))
        return {"collection": collection.name, "version": number, "rows": len(rows), "total": Decimal128(total)}


def _document(keys: Sequence[str], row: Row) -> Document:
    """A row as the batch writes it: Decimal128, and the key as `_id`."""
    content = {name: Decimal128(value) if isinstance(value, Decimal) else value for name, value in row.items()}
    identity = content[keys[0]] if len(keys) == 1 else {key: content[key] for key in keys}
    return {"_id": identity, **content}


@contextmanager
def warehouse_named(stack: EmbeddedStack, name: str) -> Iterator[Warehouse]:
    """An empty warehouse, dropped after the block."""
    client: MongoClient[Document] = MongoClient(stack.mongo.url, tz_aware=True, tzinfo=UTC)
    with client:
        yield Warehouse(client[name])
        client.drop_database(name)


@pytest.fixture
def warehouse(stack: EmbeddedStack, database: Database) -> Iterator[Warehouse]:
    """An empty warehouse, that of the database's settings, dropped after the test."""
    with warehouse_named(stack, database.settings.mongo.database) as empty:
        yield empty
