"""Caches of answers: computed once for all who ask at the same time, kept while they may be shown."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, Generic, NamedTuple, TypeVar

T = TypeVar("T")


class Shared(Generic[T]):
    """Keeps the answer of the newest question; failures are not kept."""

    def __init__(self) -> None:
        self._question: Hashable = None
        self._task: asyncio.Task[T] | None = None

    async def get(self, question: Hashable, compute: Callable[[], Awaitable[T]]) -> T:
        """The answer, computed once however many ask meanwhile."""
        if self._task is None or self._question != question or _failed_shared(self._task):
            self._question = question
            self._task = asyncio.ensure_future(_awaited_shared(compute))
        return await asyncio.shield(self._task)


async def _awaited_shared(compute: Callable[[], Awaitable[T]]) -> T:
    return await compute()


def _failed_shared(task: asyncio.Task[T]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)


class Remembered:
    """At most `limit` answers; failures are not kept."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._tasks: OrderedDict[Hashable, asyncio.Future[Any]] = OrderedDict()

    async def get(self, question: Hashable, compute: Callable[[], Awaitable[T]]) -> T:
        """The answer; who gives up waiting does not stop it for the others."""
        task = self._tasks.get(question)
        if task is None or _failed_remembered(task):
            task = asyncio.ensure_future(_awaited_remembered(compute))
            task.add_done_callback(_failed_remembered)
            self._tasks[question] = task
        self._tasks.move_to_end(question)
        while len(self._tasks) > self._limit:
            self._tasks.popitem(last=False)
        answer: T = await asyncio.shield(task)
        return answer


async def _awaited_remembered(compute: Callable[[], Awaitable[T]]) -> T:
    return await compute()


def _failed_remembered(task: asyncio.Future[Any]) -> bool:
    """Whether it ended without an answer; asking marks its error as seen."""
    return task.done() and (task.cancelled() or task.exception() is not None)


class _Answer(NamedTuple):
    task: asyncio.Future[Any]
    asked_at: float


class Kept:
    """At most `limit` answers. One older than `seconds` is renewed, one older than twice that is not given."""

    def __init__(self, limit: int, seconds: float, clock_seconds: Callable[[], float]) -> None:
        """`clock_seconds` is monotonic."""
        self._limit = limit
        self._seconds = seconds
        self._clock = clock_seconds
        self._answers: OrderedDict[Hashable, _Answer] = OrderedDict()
        self._renewals: dict[Hashable, asyncio.Future[Any]] = {}

    async def get(self, question: Hashable, compute: Callable[[], Awaitable[T]]) -> T:
        """An answer asked of the store less than twice `seconds` ago; failures are not kept."""
        now = self._clock()
        answer = self._answers.get(question)
        if answer is None or _failed_kept(answer.task) or now - answer.asked_at >= 2 * self._seconds:
            answer = self._answers[question] = _Answer(_started(compute), now)
        elif now - answer.asked_at >= self._seconds and question not in self._renewals:
            self._renew(question, compute, now)
        self._answers.move_to_end(question)
        while len(self._answers) > self._limit:
            self._answers.popitem(last=False)
        found: T = await asyncio.shield(answer.task)
        return found

    def _renew(self, question: Hashable, compute: Callable[[], Awaitable[Any]], now: float) -> None:
        def renewed(task: asyncio.Future[Any]) -> None:
            del self._renewals[question]
            if not _failed_kept(task) and question in self._answers:
                self._answers[question] = _Answer(task, now)

        renewal = self._renewals[question] = _started(compute)
        renewal.add_done_callback(renewed)


def _started(compute: Callable[[], Awaitable[T]]) -> asyncio.Future[T]:
    async def run() -> T:
        return await compute()

    task = asyncio.ensure_future(run())
    task.add_done_callback(_failed_kept)
    return task


def _failed_kept(task: asyncio.Future[Any]) -> bool:
    """Whether it ended without an answer; asking marks its error as seen."""
    return task.done() and (task.cancelled() or task.exception() is not None)
