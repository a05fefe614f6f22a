"""A cache of answers: each is computed once for concurrent callers, failures are not cached."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from math import inf
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")


class _Answer(NamedTuple):
    task: asyncio.Future[Any]
    computed_at: float


class Cache:
    """At most `limit` answers, the least recently used is evicted.

    An answer older than `seconds` is renewed in the background, one older than twice that is computed again before it
    is returned; without `seconds` answers stay until they are evicted. A caller that gives up waiting cancels nothing.
    """

    def __init__(
        self, limit: int = 1, seconds: float = inf, clock_seconds: Callable[[], float] = time.monotonic
    ) -> None:
        """`clock_seconds` is monotonic."""
        self._limit = limit
        self._seconds = seconds
        self._clock = clock_seconds
        self._answers: OrderedDict[Hashable, _Answer] = OrderedDict()
        self._renewals: dict[Hashable, asyncio.Future[Any]] = {}

    async def get(self, question: Hashable, compute: Callable[[], Awaitable[T]]) -> T:
        """Returns the answer, computed less than twice `seconds` ago; raises what `compute` raises."""
        now = self._clock()
        answer = self._answers.get(question)
        if answer is None or _failed(answer.task) or now - answer.computed_at >= 2 * self._seconds:
            answer = self._answers[question] = _Answer(_started(compute), now)
        elif now - answer.computed_at >= self._seconds and question not in self._renewals:
            self._renew(question, compute, now)
        self._answers.move_to_end(question)
        while len(self._answers) > self._limit:
            self._answers.popitem(last=False)
        found: T = await asyncio.shield(answer.task)
        return found

    def _renew(self, question: Hashable, compute: Callable[[], Awaitable[Any]], now: float) -> None:
        def renewed(task: asyncio.Future[Any]) -> None:
            del self._renewals[question]
            if not _failed(task) and question in self._answers:
                self._answers[question] = _Answer(task, now)

        renewal = self._renewals[question] = _started(compute)
        renewal.add_done_callback(renewed)


def _started(compute: Callable[[], Awaitable[T]]) -> asyncio.Future[T]:
    async def run() -> T:
        return await compute()

    task = asyncio.ensure_future(run())
    task.add_done_callback(_failed)
    return task


def _failed(task: asyncio.Future[Any]) -> bool:
    """Whether the task ended without an answer; the check also marks its error as retrieved."""
    return task.done() and (task.cancelled() or task.exception() is not None)
