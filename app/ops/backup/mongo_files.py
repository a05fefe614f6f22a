"""Dumps MongoDB's collections to BSON files and loads them, byte for byte, without MongoDB's own tools."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Final

import bson
from bson.codec_options import CodecOptions
from bson.json_util import dumps, loads
from bson.raw_bson import RawBSONDocument
from pymongo import IndexModel, MongoClient
from pymongo.database import Database
from pymongo.errors import PyMongoError

from app.errors import BackupError, SettingsError, text_of
from app.ops.backup.checksums import Checksum
from app.settings import MongoSettings

_BATCH: Final = 1_000
_RAW: Final = CodecOptions(document_class=RawBSONDocument)
_SHAPES: Final = "collections.json"

RawDatabase = Database[RawBSONDocument]


@contextmanager
def open_raw(settings: MongoSettings) -> Iterator[RawDatabase]:
    """Opens the warehouse's database with documents as raw bytes; raises BackupError on a failure."""
    if settings.url is None:
        raise SettingsError(f"{settings.variable('url')} is not set; exclude MongoDB with --no-mongo")
    timeout_ms = round(settings.connect_timeout_seconds * 1000)
    try:
        with MongoClient[RawBSONDocument](
            settings.url.get_secret_value(), serverSelectionTimeoutMS=timeout_ms, w="majority"
        ) as client:
            yield client.get_database(settings.database, codec_options=_RAW)
    except PyMongoError as error:
        raise BackupError(f"MongoDB: {text_of(error)}") from error


def dump(database: RawDatabase, folder: Path) -> dict[str, Checksum]:
    """Writes every collection, and the definitions of all; returns the checksums."""
    folder.mkdir()
    shapes = _shapes(database)
    (folder / _SHAPES).write_text(dumps(shapes, indent=1), encoding="utf-8")
    written = {}
    for name in sorted(shapes["indexes"]):
        with (folder / f"{name}.bson").open("wb") as file:
            written[name] = _checksum(_written(database[name].find(), file))
    return written


def load(database: RawDatabase, folder: Path) -> None:
    """Writes collections, indexes and views into an empty database."""
    shapes: dict[str, Any] = loads((folder / _SHAPES).read_text(encoding="utf-8"))
    for name, indexes in shapes["indexes"].items():
        collection = database.create_collection(name)
        with (folder / f"{name}.bson").open("rb") as file:
            documents = iter(bson.decode_file_iter(file, _RAW))
            while batch := list(islice(documents, _BATCH)):
                collection.insert_many(batch, ordered=True)
        if indexes:
            collection.create_indexes([_index(index) for index in indexes])
    for view in shapes["views"]:
        database.create_collection(view["name"], **view["options"])


def read(database: RawDatabase) -> dict[str, Checksum]:
    """Returns the checksums of all collections."""
    names = database.list_collection_names(filter={"type": "collection"})
    return {name: _checksum(database[name].find()) for name in sorted(names)}


def drop_all(database: RawDatabase) -> None:
    """Drops all views and collections."""
    for found in sorted(_listed(database), key=lambda found: found["type"] != "view"):
        database.drop_collection(found["name"])


def _shapes(database: RawDatabase) -> dict[str, Any]:
    """Returns the views with their definitions, and the collections with their indexes beyond `_id`."""
    found = _listed(database)
    plain = database.with_options(CodecOptions(document_class=dict))
    indexes = {
        entry["name"]: [dict(index) for index in plain[entry["name"]].list_indexes() if index["name"] != "_id_"]
        for entry in found
        if entry["type"] == "collection"
    }
    views = [{"name": entry["name"], "options": dict(entry["options"])} for entry in found if entry["type"] == "view"]
    return {"indexes": indexes, "views": views}


def _listed(database: RawDatabase) -> list[dict[str, Any]]:
    plain: Database[dict[str, Any]] = database.with_options(CodecOptions(document_class=dict))
    listed = [dict(found) for found in plain.list_collections()]
    return [found for found in listed if not found["name"].startswith("system.")]


def _index(found: Mapping[str, Any]) -> IndexModel:
    options = {name: value for name, value in found.items() if name not in ("key", "v", "ns")}
    return IndexModel(list(found["key"].items()), **options)


def _written(documents: Iterable[RawBSONDocument], file: Any) -> Iterator[RawBSONDocument]:
    for document in documents:
        file.write(document.raw)
        yield document


def _checksum(documents: Iterable[RawBSONDocument]) -> Checksum:
    rows = total = 0
    for document in documents:
        rows += 1
        total += int.from_bytes(hashlib.sha256(document.raw).digest()[:8], "big")
    return Checksum(rows, str(total))
