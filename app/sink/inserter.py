"""Inserts rows into their table, each once, and finds the duplicates among them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Generic, Self, cast

import asyncpg

from app.events.rows import RowT
from app.sink.chunk_slice import ChunkSlice, Duplicates
from app.sink.failures import UnencodableError
from app.sink.ledger import NO_PARTITION
from app.sink.tables import StoredTopic

#: Up to this many rows are sent as arrays. They fit the socket's buffer, so that no worker is stopped half way
#: through sending them while it holds the fence.
_FEW_ROWS: Final = 100


@dataclass(frozen=True, slots=True)
class _Statements:
    """The SQL statements over one source of rows."""

    insert: str
    duplicates: str

    @classmethod
    def staged(cls, stored: StoredTopic) -> Self:
        source = f"{stored.stage} s"
        return cls(stored.insert(source), stored.select_duplicates(source))

    @classmethod
    def from_arrays(cls, stored: StoredTopic) -> Self:
        return cls(
            stored.insert(stored.from_arrays(stored.insert_parameters + 1)),
            stored.select_duplicates(stored.from_arrays(2)),
        )


class Inserter(Generic[RowT]):
    """Inserts the rows of one topic over a connection that has its stage, within its caller's transaction."""

    def __init__(self, stored: StoredTopic, pane: timedelta) -> None:
        self._stored = stored
        self._pane = pane
        self._large = _Statements.staged(stored)
        self._small = _Statements.from_arrays(stored)

    async def prepare(self, connection: asyncpg.Connection) -> None:
        """Runs every statement without effect."""
        no_rows: list[list[object]] = [[] for _ in self._stored.column_names]
        for statements, arrays in ((self._large, []), (self._small, no_rows)):
            await connection.fetchval(statements.insert, *self._insert_parameters(NO_PARTITION), *arrays)
            await connection.fetch(statements.duplicates, NO_PARTITION, *arrays)

    async def stage(self, connection: asyncpg.Connection, part: ChunkSlice[RowT]) -> None:
        """Copies a large chunk to the stage; the rows of a small one are parameters of the statements."""
        if _is_small(part):
            return
        rows = cast(list[Sequence[object]], part.decoded.rows)
        with _encoding():
            await connection.copy_records_to_table(self._stored.stage, records=rows, columns=self._stored.column_names)

    async def insert(self, connection: asyncpg.Connection, part: ChunkSlice[RowT]) -> Duplicates:
        """Inserts the rows; returns the offsets of the duplicates and whether the content of each conflicts."""
        if not part.decoded.rows:
            return {}
        statements, arrays = self._large, []
        if _is_small(part):
            statements, arrays = self._small, [*map(list, zip(*part.decoded.rows, strict=True))]
        own = self._insert_parameters(part.partition)
        with _encoding():
            accepted = await connection.fetchval(statements.insert, *own, *arrays)
        missing = len(part.decoded.rows) - accepted
        if not missing:
            return {}
        found = await connection.fetch(statements.duplicates, part.partition, *arrays)
        if len(found) != missing:
            raise asyncpg.SerializationError("the stored row of a duplicate was deleted at the same time")
        return {row["source_offset"]: row["conflicting"] for row in found}

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
        found = await connection.fetch(self._small.duplicates, sent.partition, *arrays)
        equal = {row["source_offset"]: False for row in found if not row["conflicting"]}
        return duplicates | equal

    def _insert_parameters(self, partition: int) -> list[Any]:
        return [partition, self._pane][: self._stored.insert_parameters]


def _is_small(part: ChunkSlice[Any]) -> bool:
    return len(part.decoded.rows) <= _FEW_ROWS


@contextmanager
def _encoding() -> Iterator[None]:
    """Translates what asyncpg raises, before sending, for values that PostgreSQL's format cannot hold."""
    try:
        yield
    except (ValueError, TypeError, OverflowError) as error:
        raise UnencodableError(str(error)) from error
