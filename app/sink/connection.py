"""A worker's connection that is replaced after every failure."""

from collections.abc import Awaitable, Callable

import asyncpg

Connect = Callable[[], Awaitable[asyncpg.Connection]]


class SinkConnection:
    """Holds at most one connection; the statements of `prepare` run once on each new one."""

    def __init__(self, connect: Connect, prepare: tuple[str, ...] = ()) -> None:
        self._connect = connect
        self._prepare = prepare
        self._connection: asyncpg.Connection | None = None

    async def get(self) -> asyncpg.Connection:
        """Returns the open connection, or a new one; raises what connecting raises."""
        if self._connection is None or self._connection.is_closed():
            connection = await self._connect()
            for statement in self._prepare:
                await connection.execute(statement)
            self._connection = connection
        return self._connection

    def discard(self) -> None:
        """Closes the socket at once; the server rolls the open transaction back."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def close(self) -> None:
        """Closes the connection in an orderly way."""
        connection, self._connection = self._connection, None
        if connection is not None and not connection.is_closed():
            await connection.close(timeout=2)
