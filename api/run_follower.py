"""Serves the published run: follows the pointer, prepares sums, and caches answers.

The pointer is polled every second. A new run is served once its sums are prepared; until then the previous run is,
which the batch keeps readable. After each read the pointer is checked: the documents of a run that was replaced twice
may have been deleted, and then the answer is computed again from the current run.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Hashable, Mapping
from typing import Final, TypeVar

from api.cache import Cache
from api.mongo_reader import NAME, Mongo, ReadingLostError
from api.run_reader import PublishedRun, RunPointer
from api.stores import StoreDownError
from app.errors import text_of
from app.published_run import CURRENT, POINTER

logger = logging.getLogger(__name__)

T = TypeVar("T")
Prepare = Callable[[PublishedRun], Awaitable[object]]
Edition = tuple[str | None, int]


class Warehouse:
    """Answers from the published run in MongoDB."""

    name: Final = NAME

    def __init__(
        self,
        mongo: Mongo,
        patient: Mongo,
        prepared: Mapping[str, Prepare],
        *,
        answers: int,
        wait_seconds: float,
        poll_seconds: float,
    ) -> None:
        """`prepared` are sums by mart, read through `patient` before a run is served.

        At most `answers` are cached per run; a request waits at most `wait_seconds`.
        """
        self._mongo = mongo
        self._patient = patient
        self._prepared = prepared
        self._answers = answers
        self._wait_seconds = wait_seconds
        self._poll_seconds = poll_seconds
        self._run: PublishedRun | None = None
        self._prepared_edition: Edition | None = None
        self._preparing: tuple[Edition, asyncio.Task[None]] | None = None
        self._down = False
        self._polled = asyncio.Event()

    async def ask(self, question: Hashable, compute: Callable[[PublishedRun], Awaitable[T]]) -> T:
        """Returns the result of `compute` for one run, from the cache if the same question was answered before.

        Raises StoreDownError, ProblemError 404 before the first publish, and what `compute` raises.
        """
        try:
            async with asyncio.timeout(self._wait_seconds):
                await self._polled.wait()
                try:
                    return await self._answer(self._current(), question, compute)
                except ReadingLostError:
                    await self._replace(self._current())
                    return await self._answer(self._current(), question, compute)
        except (TimeoutError, ReadingLostError) as error:
            raise StoreDownError(self.name) from error

    async def weight_bytes(self) -> int | None:
        """Returns the warehouse's size when its run was first served, None until it is known; raises StoreDownError."""
        try:
            async with asyncio.timeout(self._wait_seconds):
                await self._polled.wait()
        except TimeoutError as error:
            raise StoreDownError(self.name) from error
        return self._current().weight_bytes

    async def read(self, reading: Callable[[Mongo], Awaitable[T]]) -> T:
        """Reads something other than the published run; raises StoreDownError."""
        if self._down:
            raise StoreDownError(self.name)
        try:
            return await reading(self._mongo)
        except ReadingLostError as error:
            raise StoreDownError(self.name) from error

    async def ping(self) -> None:
        """Returns when the warehouse answers; raises StoreDownError."""
        if self._down:
            raise StoreDownError(self.name)
        await self._pointer()

    async def follow(self) -> None:
        """Polls the pointer until cancelled."""
        try:
            while True:
                try:
                    await self._poll()
                except (StoreDownError, ReadingLostError) as error:
                    logger.warning("reading the published run failed, retrying: %s", text_of(error))
                self._polled.set()
                await asyncio.sleep(self._poll_seconds)
        finally:
            self._stop_preparing()

    def _current(self) -> PublishedRun:
        if self._down or self._run is None:
            raise StoreDownError(self.name)
        return self._run

    async def _answer(
        self, run: PublishedRun, question: Hashable, compute: Callable[[PublishedRun], Awaitable[T]]
    ) -> T:
        async def checked() -> T:
            answer = await compute(run)
            if not (await self._pointer()).still_contains(run.published):
                raise ReadingLostError
            return answer

        return await run.answers.get(question, checked)

    async def _pointer(self) -> RunPointer:
        try:
            published = RunPointer.of(await self._mongo.one(POINTER, CURRENT))
        except StoreDownError:
            self._down = True
            raise
        self._down = False
        return published

    async def _poll(self) -> None:
        """Detects a new run; its sums are prepared in a task, because that may take long."""
        published = await self._pointer()
        if self._run is None:  # there is no previous run to serve meanwhile
            self._run = self._new_run(published)
        wanted = published.edition
        if wanted == self._prepared_edition or self._prepares(wanted):
            return
        self._stop_preparing()
        shown = self._run.published.edition == wanted
        run = self._run if shown else self._new_run(published)
        self._preparing = wanted, asyncio.create_task(self._prepare(run))

    async def _prepare(self, run: PublishedRun) -> None:
        """Prepares the sums, then serves the run; a failure is retried with the next poll."""
        try:
            for mart, prepare in self._prepared.items():
                if mart in run.published.marts:
                    await prepare(run)
            await run.read_size()
            self._run, self._prepared_edition = run, run.published.edition
        except (StoreDownError, ReadingLostError) as error:
            logger.warning("preparing the sums of %s failed, retrying: %s", run.published.run_id, text_of(error))

    def _prepares(self, wanted: Edition) -> bool:
        if self._preparing is None:
            return False
        prepared, task = self._preparing
        return prepared == wanted and not task.done()

    def _stop_preparing(self) -> None:
        if self._preparing is not None:
            self._preparing[1].cancel()
            self._preparing = None

    async def _replace(self, lost: PublishedRun) -> None:
        """Serves the current run, prepared or not."""
        if self._run is lost:
            self._run = self._new_run(await self._pointer())

    def _new_run(self, published: RunPointer) -> PublishedRun:
        return PublishedRun(self._mongo, self._patient, published, Cache(self._answers))
