"""Workers with one safeguard taken out, to show that the recount finds what it guards against.

`faust -A tests.faults.broken_workers worker`; the variable BROKEN names the safeguard: fence, start or state. The
FAULT_* variables of the armed worker arm it too.
"""

import os
from contextlib import suppress
from typing import Any, Final

import asyncpg
from faust.types import TP

from app.kafka.chunks import Chunk
from app.kafka.positions import Positions
from app.settings import load_settings
from app.sink.chunk_transaction import ChunkTransaction, FencedError
from app.sink.connection import SinkConnection
from app.sink.fault_points import NoFaults
from app.sink.inserter import Inserter
from app.stream.committer import ChunkCommitter
from app.worker import create_app
from tests.faults.armed_worker import armed_faults


def _without_fence() -> None:
    """Whoever brings a chunk may commit it, also one whose rows are there already."""
    pass_fence: Any = ChunkTransaction._pass_fence
    insert: Any = Inserter._insert

    async def let_through(*args: Any) -> None:
        with suppress(FencedError):
            await pass_fence(*args)

    async def believe_the_rows_new(self: Any, connection: Any, statements: Any, parts: Any, *args: Any) -> Any:
        try:
            return await insert(self, connection, statements, parts, *args)
        except asyncpg.SerializationError:
            return [{} for _ in parts]

    ChunkTransaction._pass_fence = let_through  # type: ignore[assignment, method-assign]
    Inserter._insert = believe_the_rows_new  # type: ignore[assignment, method-assign]


def _start_ignored() -> None:
    """A chunk beyond the ledger is taken for its successor; what lies between is lost."""
    commit_unseen: Any = ChunkCommitter._commit_unseen

    async def commit_anything(self: Any, connection: SinkConnection, chunk: Chunk, part: Any) -> bool:
        state = await self._partitions.state(await connection.get(), TP(chunk.topic, chunk.partition))
        if state.progress.next_offset < chunk.start:
            await self._commit_range(connection, chunk, part)
            return True
        return bool(await commit_unseen(self, connection, chunk, part))

    ChunkCommitter._commit_unseen = commit_anything  # type: ignore[method-assign]
    _without_fence()
    _lose_a_fetch()


def _lose_a_fetch() -> None:
    """The consumer advances past a batch that never reaches an agent, as a cancelled callback does."""
    advance: Any = Positions.advance
    lost: set[Any] = set()

    def lose_the_first(self: Any, partition: Any, offset: int) -> None:
        advance(self, partition, offset)
        if partition not in lost:
            lost.add(partition)
            self.pause([partition])
            self._next[partition] = offset

    Positions.advance = lose_the_first  # type: ignore[method-assign]


def _state_kept() -> None:
    """A failed transaction leaves its events in the velocity state."""

    def trust(self: Any, connection: SinkConnection, chunk: Chunk) -> None:
        connection.discard()

    ChunkCommitter._invalidate = trust  # type: ignore[method-assign]


_BREAK: Final = {"fence": _without_fence, "start": _start_ignored, "state": _state_kept}


def __getattr__(name: str) -> Any:
    if name != "app":
        raise AttributeError(name)
    _BREAK[os.environ["BROKEN"]]()
    faults = armed_faults(os.environ) if "FAULT_POINT" in os.environ else NoFaults()
    app = create_app(load_settings(), faults=faults)
    globals()["app"] = app
    return app
