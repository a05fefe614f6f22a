"""MongoDB for the API: short reads, amounts as Decimals, and one error when it is down.

The only module of the API that uses motor; it returns documents as plain Python objects.
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
#: Cursor not found, query plan killed (the error of a cursor whose collection was dropped), cursor killed.
_LOST_CODES: Final = frozenset({43, 175, 237})


class ReadingLostError(Exception):
    """The documents were deleted during the read: their run was replaced twice. Read again from the current run."""


class _Decimals(TypeDecoder):
    bson_type = Decimal128

    def transform_bson(self, value: Decimal128) -> Decimal:
        return value.to_decimal()


_CODEC: Final[CodecOptions[Document]] = CodecOptions(
    tz_aware=True, tzinfo=UTC, type_registry=TypeRegistry([_Decimals()])
)


@dataclass(frozen=True, slots=True)
class Find:
    """A query: a filter, the fields to return, the order and the limit (0 is no limit)."""

    where: Mapping[str, Any]
    fields: Sequence[str]
    order: Sequence[tuple[str, int]] = ()
    limit: int = 0


class Mongo:
    """Reads the warehouse's database; to be created in the loop that uses it, connects on first use."""

    def __init__(self, settings: MongoSettings, seconds: float) -> None:
        """`seconds` limits every read; raises SettingsError if no URL is set."""
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
        """Returns the documents without `_id`; raises StoreDownError or ReadingLostError."""
        fields = {"_id": 0, **dict.fromkeys(find.fields, 1)}
        cursor = self._database[collection].find(find.where, fields).limit(find.limit)
        ordered = cursor.sort(list(find.order)) if find.order else cursor
        return await self._read(ordered.to_list(None))

    async def aggregate(self, collection: str, stages: Sequence[Mapping[str, Any]]) -> list[Document]:
        """Returns the pipeline's documents; raises StoreDownError or ReadingLostError."""
        return await self._read(self._database[collection].aggregate(list(stages)).to_list(None))

    async def one(self, collection: str, where: Mapping[str, Any]) -> Document | None:
        """Returns one whole document; raises StoreDownError or ReadingLostError."""
        return await self._read(self._database[collection].find_one(where))

    async def size_bytes(self) -> int:
        """Returns the database's size with its indexes, from `dbStats`; raises StoreDownError."""
        stats = await self._read(self._database.command("dbStats"))
        return int(stats["storageSize"] + stats["indexSize"])

    def close(self) -> None:
        """Closes all connections."""
        self._client.close()

    async def _read(self, reading: Awaitable[T]) -> T:
        """Awaits the result; translates the driver's errors, other errors are bugs and raised unchanged."""
        try:
            async with asyncio.timeout(self._seconds):
                return await reading
        except (PyMongoError, TimeoutError) as error:
            if isinstance(error, OperationFailure) and error.code in _LOST_CODES:
                raise ReadingLostError from error
            if not _is_down(error):
                raise
            logger.warning("mongodb is not available: %r", error)
            raise StoreDownError(NAME) from error


def _is_down(error: Exception) -> bool:
    """Whether an error is caused by the store's state, not by the query."""
    if isinstance(error, OperationFailure) and not isinstance(error, ExecutionTimeout):
        return error.code in _DOWN_CODES
    return isinstance(error, (ConnectionFailure, ExecutionTimeout, TimeoutError))
