"""Answers kept by question: each is computed once, however many ask, and the oldest make room."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, TypeVar

T = TypeVar("T")


class Remembered:
    """At most `limit` answers; failures are not kept."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._tasks: OrderedDict[Hashable, asyncio.Future[Any]] = OrderedDict()

    async def get(self, question: Hashable, compute: Callable[[], Awaitable[T]]) -> T:
        """The answer; who gives up waiting does not stop it for the others."""
        task = self._tasks.get(question)
        if task is None or _failed(task):
            task = asyncio.ensure_future(_awaited(compute))
            task.add_done_callback(_failed)
            self._tasks[question] = task
        self._tasks.move_to_end(question)
        while len(self._tasks) > self._limit:
            self._tasks.popitem(last=False)
        answer: T = await asyncio.shield(task)
        return answer


async def _awaited(compute: Callable[[], Awaitable[T]]) -> T:
    return await compute()


def _failed(task: asyncio.Future[Any]) -> bool:
    """Whether it ended without an answer; asking marks its error as seen."""
    return task.done() and (task.cancelled() or task.exception() is not None)
