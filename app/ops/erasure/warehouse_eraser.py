"""Erases a user from the warehouse: renames documents of the published run and of the previous one.

A document is written under its new `_id` before the old one is deleted, so a kill loses none. The caller holds the
lock of the batch. Sums do not change; the next run writes the renamed sessions in a new version.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

from pymongo.collection import Collection
from pymongo.database import Database

from app.domain.pseudonyms import Pseudonym
from app.ops.erasure.table_eraser import Reached
from app.published_run import CURRENT, POINTER, RUNS, Document

_CUSTOMERS: Final = re.compile(r"customer_segments__\d+")
_SESSIONS: Final = "fact_sessions__rows"
#: What the batch appends to the user's id for orders without a session.
_START: Final = re.compile(r"@\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


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
    return pseudonym.session(session_id)


def _redact_errors(database: Database[Document], user_id: str) -> None:
    """Redacts errors of failed checks, which name rows."""
    for run in database[RUNS].find({"error": {"$ne": None}}, {"error": 1}):
        if user_id in str(run.get("error")):
            database[RUNS].update_one({"_id": run["_id"]}, {"$set": {"error": "it named a user who was erased"}})
