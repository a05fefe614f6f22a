"""Erases a user in the warehouse: MongoDB's marts and the lake's files.

In the lake, new files are written next to the affected ones, and the manifest is switched to them. Row count and
checksum of a day do not change, so they still equal PostgreSQL's, and the batch reads no day again. The caller holds
the lock of the batch.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
from pymongo.collection import Collection
from pymongo.database import Database

from app.domain.pseudonyms import Personal, Pseudonym
from app.ops.erasure.table_eraser import Reached
from app.published_run import CURRENT, POINTER, RUNS, Document
from batch.lake import Lake
from batch.manifest import LakeDay
from batch.segment_history import FOLDER
from batch.sources import LAKE_TABLES, LakeTable

_CUSTOMERS: Final = re.compile(r"customer_segments__\d+")
_SESSIONS: Final = "fact_sessions__rows"
#: Of the history of segments in the lake.
_HISTORY: Final = {"user_id": Personal.USER}
#: What the batch appends to the user's id for orders without a session.
_START: Final = re.compile(r"@\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


def count_files(lake: Lake, user_id: str) -> int:
    """Counts the files that contain the id."""
    return sum(1 for _ in _days(lake, user_id)) + sum(1 for _ in _histories(lake, user_id))


def erase_from_lake(lake: Lake, user_id: str, pseudonym: Pseudonym, reached: Reached) -> int:
    """Renames the user in every file and deletes orphaned files; returns how many files were written."""
    written = 0
    for source, day, known in list(_days(lake, user_id)):
        with lake.new_file(source, day) as file:
            for rows in lake.read_day_pieces(source, known.file):
                file.write(_renamed_rows(rows, user_id, pseudonym, source.personal))
        reached("lake file")
        manifest = lake.read_manifest()
        lake.write_manifest(manifest.with_days(source.name, {day: LakeDay(known.summary, file.name)}))
        written += 1
    lake.remove_orphans(lake.read_manifest(), LAKE_TABLES)
    for name in list(_histories(lake, user_id)):
        lake.replace_file(name, _renamed_rows(lake.read_file(name), user_id, pseudonym, _HISTORY))
        written += 1
    return written


def _renamed_rows(rows: pa.Table, user_id: str, pseudonym: Pseudonym, personal: Mapping[str, Personal]) -> pa.Table:
    mine = pc.equal(rows["user_id"], user_id).combine_chunks()
    for name, kind in personal.items():
        values = [pseudonym.of(kind, value) for value in rows[name].filter(mine).to_pylist()]
        place = rows.schema.get_field_index(name)
        column = pc.replace_with_mask(rows[name].combine_chunks(), mine, pa.array(values, rows.schema.field(name).type))
        rows = rows.set_column(place, rows.schema.field(name), column)
    return rows


def _days(lake: Lake, user_id: str) -> Iterator[tuple[LakeTable, date, LakeDay]]:
    manifest = lake.read_manifest()
    for source in LAKE_TABLES.values():
        for day, known in sorted(manifest.days(source.name).items()):
            if _holds(lake, known.file, user_id):
                yield source, day, known


def _histories(lake: Lake, user_id: str) -> Iterator[str]:
    return (name for name in lake.files_below(FOLDER) if _holds(lake, name, user_id))


def _holds(lake: Lake, name: str, user_id: str) -> bool:
    pieces = lake.read_pieces(name, ["user_id"])
    return any(pc.any(pc.equal(rows["user_id"], user_id)).as_py() for rows in pieces)


def count_documents(database: Database[Document], user_id: str) -> int:
    """Counts the documents of the user."""
    return sum(collection.count_documents({"user_id": user_id}) for collection in _collections(database))


def erase_from_warehouse(database: Database[Document], user_id: str, pseudonym: Pseudonym, reached: Reached) -> int:
    """Renames the user's documents and invalidates readers' caches; returns how many were renamed."""
    renamed = 0
    for collection in _collections(database):
        for document in list(collection.find({"user_id": user_id})):
            new = _renamed(document, user_id, pseudonym)
            collection.replace_one({"_id": new["_id"]}, new, upsert=True)
            reached("document")
            collection.delete_one({"_id": document["_id"]})
            renamed += 1
    _redact_errors(database, user_id)
    database[POINTER].update_one(CURRENT, {"$inc": {"erasures": 1}})
    return renamed


def _collections(database: Database[Document]) -> Iterator[Collection[Document]]:
    for name in sorted(database.list_collection_names(filter={"type": "collection"})):
        if name == _SESSIONS or _CUSTOMERS.fullmatch(name):
            yield database[name]


def _renamed(document: Document, user_id: str, pseudonym: Pseudonym) -> Document:
    new: Document = {**document, "user_id": pseudonym.user_id}
    identity: Any = pseudonym.user_id
    if "session_id" in document:
        new["session_id"] = _session(document["session_id"], user_id, pseudonym)
        identity = {**document["_id"], "session_id": new["session_id"]}
    return {**new, "_id": identity}


def _session(session_id: str, user_id: str, pseudonym: Pseudonym) -> str:
    start = session_id.removeprefix(user_id)
    if start != session_id and _START.fullmatch(start):
        return pseudonym.user_id + start
    return pseudonym.keyed(session_id)


def _redact_errors(database: Database[Document], user_id: str) -> None:
    """Redacts errors of failed checks, which name rows."""
    for run in database[RUNS].find({"error": {"$ne": None}}, {"error": 1}):
        if user_id in str(run.get("error")):
            database[RUNS].update_one({"_id": run["_id"]}, {"$set": {"error": "it named a user who was erased"}})
