"""Inserts rows into their table, each once, and finds the duplicates among them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain
from typing import Any, Final, Generic, cast

import asyncpg

from app.errors import text_of
from app.events.rows import RowT
from app.sink.chunk_slice import ChunkSlice, Duplicates
from app.sink.failures import UnencodableError
from app.sink.ledger import NO_PARTITION
from app.sink.tables import StoredTopic

#: Up to this many rows are sent as arrays. They fit the socket's buffer, so that no worker is stopped half way
#: through sending them while it holds the fence.
FEW_ROWS: Final = 100


@dataclass(frozen=True, slots=True)
class _Statements:
    """The SQL statements over one source of rows."""

    insert: str
    duplicates: str


class Inserter(Generic[RowT]):
    """Inserts the rows of one topic over a connection that has its stage, within its caller's transaction."""

    def __init__(self, stored: StoredTopic, pane: timedelta) -> None:
        self._stored = stored
        self._pane = pane
        self._large = _Statements(stored.insert(stored.staged), stored.select_duplicates(stored.staged))
        self._small = _Statements(
            stored.insert(stored.from_partitions(stored.insert_parameters + 1)),
            stored.select_duplicates(stored.from_partitions(2)),
        )

    async def prepare(self, connection: asyncpg.Connection) -> None:
        """Runs every statement without effect."""
        no_rows: list[list[object]] = [[] for _ in self._stored.column_names]
        for statements, partitions, arrays in ((self._large, NO_PARTITION, []), (self._small, [], no_rows)):
            await connection.fetchval(statements.insert, *self._insert_parameters(partitions), *arrays)
            await connection.fetch(statements.duplicates, partitions, *arrays)

    async def stage(self, connection: asyncpg.Connection, part: ChunkSlice[RowT]) -> None:
        """Copies a large slice to the stage."""
        rows = cast(list[Sequence[object]], part.decoded.rows)
        with _encoding():
            await connection.copy_records_to_table(self._stored.stage, records=rows, columns=self._stored.column_names)

    async def insert_staged(self, connection: asyncpg.Connection, part: ChunkSlice[RowT]) -> Duplicates:
        """Inserts the staged rows; returns the offsets of the duplicates and whether the content of each conflicts."""
        (duplicates,) = await self._insert(connection, self._large, [part], part.partition, [])
        return duplicates

    async def insert(self, connection: asyncpg.Connection, parts: Sequence[ChunkSlice[RowT]]) -> list[Duplicates]:
        """Inserts the rows of small slices, which travel as parameters; returns the duplicates of each slice."""
        if not any(part.decoded.rows for part in parts):
            return [{} for _ in parts]
        partitions, arrays = _arrays(parts)
        return await self._insert(connection, self._small, parts, partitions, arrays)

    async def _insert(
        self,
        connection: asyncpg.Connection,
        statements: _Statements,
        parts: Sequence[ChunkSlice[RowT]],
        partitions: int | list[int],
        arrays: list[list[object]],
    ) -> list[Duplicates]:
        with _encoding():
            accepted = await connection.fetchval(statements.insert, *self._insert_parameters(partitions), *arrays)
        missing = sum(len(part.decoded.rows) for part in parts) - accepted
        if not missing:
            return [{} for _ in parts]
        found = await connection.fetch(statements.duplicates, partitions, *arrays)
        if len(found) != missing:
            raise asyncpg.SerializationError("the stored row of a duplicate was deleted at the same time")
        return [
            {row["source_offset"]: row["conflicting"] for row in found if row["source_partition"] == part.partition}
            for part in parts
        ]

    async def compare_as_sent(
        self, connection: asyncpg.Connection, sent: ChunkSlice[RowT], duplicates: Duplicates
    ) -> Duplicates:
        """Compares conflicting duplicates again with their original user ids.

        While an erasure is running the stored row may still hold the original id: equal as sent is no conflict.
        """
        conflicting = [row for row in sent.decoded.rows if duplicates.get(row.source_offset)]
        if not conflicting:
            return duplicates
        arrays = [*map(list, zip(*conflicting, strict=True))]
        found = await connection.fetch(self._small.duplicates, [sent.partition] * len(conflicting), *arrays)
        equal = {row["source_offset"]: False for row in found if not row["conflicting"]}
        return duplicates | equal

    def _insert_parameters(self, partitions: int | list[int]) -> list[Any]:
        return [partitions, self._pane][: self._stored.insert_parameters]


def _arrays(parts: Sequence[ChunkSlice[Any]]) -> tuple[list[int], list[list[object]]]:
    """Returns the partition of each row, and the rows by columns."""
    partitions = [part.partition for part in parts for _ in part.decoded.rows]
    rows = chain.from_iterable(part.decoded.rows for part in parts)
    return partitions, [*map(list, zip(*rows, strict=True))]


@contextmanager
def _encoding() -> Iterator[None]:
    """Translates what asyncpg raises, before sending, for values that PostgreSQL's format cannot hold."""
    try:
        yield
    except (ValueError, TypeError, OverflowError) as error:
        raise UnencodableError(text_of(error)) from error
