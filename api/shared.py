"""One computation for all who ask the same at the same moment."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Shared(Generic[T]):
    """Keeps the answer of the newest question; failures are not kept."""

    def __init__(self) -> None:
        self._question: Hashable = None
        self._task: asyncio.Task[T] | None = None

    async def get(self, question: Hashable, compute: Callable[[], Awaitable[T]]) -> T:
        """The answer, computed once however many ask meanwhile."""
        if self._task is None or self._question != question or _failed(self._task):
            self._question = question
            self._task = asyncio.ensure_future(_awaited(compute))
        return await asyncio.shield(self._task)


async def _awaited(compute: Callable[[], Awaitable[T]]) -> T:
    return await compute()


def _failed(task: asyncio.Task[T]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)
