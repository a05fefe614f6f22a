"""Classifies a failed transaction: bad data, an unavailable store, or a bug."""

from enum import Enum, auto
from typing import Final

import asyncpg

_DATA_CLASSES: Final = frozenset({"22", "23"})
_STORE_CLASSES: Final = frozenset({"08", "25", "40", "53", "57", "58"})
_LOCK_NOT_AVAILABLE: Final = "55P03"


class UnencodableError(Exception):
    """asyncpg cannot encode a value of a row in PostgreSQL's format."""


class Failure(Enum):
    """Bad data is bisected and rejected, an unavailable store is retried, a bug stops the worker."""

    DATA = auto()
    STORE = auto()
    BUG = auto()


def classify(error: BaseException) -> Failure:
    """Classifies a failure by its SQLSTATE class, or by its type where the server was not reached.

    asyncpg reports a session killed by the server as an InterfaceError.
    """
    if isinstance(error, asyncpg.PostgresError):
        return _classify_sqlstate(error.sqlstate or "")
    if isinstance(error, UnencodableError):
        return Failure.DATA
    if isinstance(error, asyncpg.InterfaceError | asyncpg.InternalClientError | OSError):
        return Failure.STORE
    return Failure.BUG


def _classify_sqlstate(sqlstate: str) -> Failure:
    if sqlstate[:2] in _DATA_CLASSES:
        return Failure.DATA
    if sqlstate[:2] in _STORE_CLASSES or sqlstate == _LOCK_NOT_AVAILABLE:
        return Failure.STORE
    return Failure.BUG
