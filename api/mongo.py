"""MongoDB as the API sees it: short reads, amounts as Decimals, and one error when it is down.

The only module of the API that knows motor; documents leave it as plain Python.
"""

import asyncio
import logging
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from decimal import Decimal
from typing import Any, Final, TypeVar

from bson.codec_options import CodecOptions, TypeDecoder, TypeRegistry
from bson.decimal128 import Decimal128
from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorDatabase
from pymongo.errors import ConnectionFailure, ExecutionTimeout, OperationFailure, PyMongoError

from api.stores import StoreDownError
from app.errors import SettingsError
from app.published_run import Document
from app.settings import MongoSettings

logger = logging.getLogger(__name__)

T = TypeVar("T")

NAME: Final = "mongodb"
#: Unauthorized, authentication failed, and the states of a server that starts, stops or changes its role.
_DOWN_CODES: Final = frozenset({13, 18, 91, 189, 10107, 11600, 11602, 13435, 13436})
#: Cursor not found, query plan killed (what a cursor says when its collection was dropped), cursor killed.
_LOST_CODES: Final = frozenset({43, 175, 237})


class ReadingLostError(Exception):
    """What was read is gone: its run was replaced twice meanwhile. Read again, from the run there is now."""


class _Decimals(TypeDecoder):
    bson_type = Decimal128

    def transform_bson(self, value: Decimal128) -> Decimal:
        return value.to_decimal()


_CODEC: Final[CodecOptions[Document]] = CodecOptions(
    tz_aware=True, tzinfo=UTC, type_registry=TypeRegistry([_Decimals()])
)


@dataclass(frozen=True, slots=True)
class Find:
    """Documents to find: a filter, the fields to show, the order and the most to read (0 is no limit)."""

    where: Mapping[str, Any]
    fields: Sequence[str]
    order: Sequence[tuple[str, int]] = ()
    limit: int = 0


class Mongo:
    """Reads of the warehouse's database; to be made in the loop that uses it, connects when first used."""

    def __init__(self, settings: MongoSettings, seconds: float) -> None:
        """`seconds` limits every read; raises SettingsError without an address."""
        if settings.url is None:
            variable = settings.variable("url")
            raise SettingsError(f"{variable} is not set; `globalmart init` writes one into .env")
        milliseconds = round(settings.connect_timeout_seconds * 1000)
        self._seconds = seconds
        self._client: AsyncIOMotorClient[Document] = AsyncIOMotorClient(
            settings.url.get_secret_value(),
            appname="globalmart-api",
            retryReads=False,
            serverSelectionTimeoutMS=milliseconds,
            connectTimeoutMS=milliseconds,
            socketTimeoutMS=round(seconds * 1000),
        )
        self._database: AsyncIOMotorDatabase[Document] = self._client.get_database(
            settings.database, codec_options=_CODEC
        )

    async def find(self, collection: str, find: Find) -> list[Document]:
        """The documents, `_id` left out; raises StoreDownError or ReadingLostError."""
        fields = {"_id": 0, **dict.fromkeys(find.fields, 1)}
        cursor = self._database[collection].find(find.where, fields).limit(find.limit)
        ordered = cursor.sort(list(find.order)) if find.order else cursor
        return await self._told(ordered.to_list(None))

    async def aggregate(self, collection: str, stages: Sequence[Mapping[str, Any]]) -> list[Document]:
        """The pipeline's documents; raises StoreDownError or ReadingLostError."""
        return await self._told(self._database[collection].aggregate(list(stages)).to_list(None))

    async def one(self, collection: str, where: Mapping[str, Any]) -> Document | None:
        """A document by its `_id`, whole; raises StoreDownError or ReadingLostError."""
        return await self._told(self._database[collection].find_one(where))

    async def size_bytes(self) -> int:
        """What the database takes with its indexes, as `dbStats` says; raises StoreDownError."""
        told = await self._told(self._database.command("dbStats"))
        return int(told["storageSize"] + told["indexSize"])

    def close(self) -> None:
        """End all connections."""
        self._client.close()

    async def _told(self, reading: Awaitable[T]) -> T:
        """The result, with the driver's errors told as ours; a bug stays what it is."""
        try:
            async with asyncio.timeout(self._seconds):
                return await reading
        except (PyMongoError, TimeoutError) as error:
            if _is_lost(error):
                raise ReadingLostError from error
            if not _is_down(error):
                raise
            logger.warning("mongodb is not available: %r", error)
            raise StoreDownError(NAME) from error


def _is_lost(error: Exception) -> bool:
    return isinstance(error, OperationFailure) and error.code in _LOST_CODES


def _is_down(error: Exception) -> bool:
    """Whether an error is the store's state, not a mistake in the question."""
    if isinstance(error, OperationFailure) and not isinstance(error, ExecutionTimeout):
        return error.code in _DOWN_CODES
    return isinstance(error, (ConnectionFailure, ExecutionTimeout, TimeoutError))
