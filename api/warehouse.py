"""The published run: followed, one per answer, its small sums prepared and its answers kept.

A follower looks at the pointer every second. A new run is shown once its sums are prepared; until then the run before
answers, which the batch keeps readable. What was read is checked against the pointer afterwards: a run that was
replaced twice meanwhile may have lost documents, and the answer is computed once more from the run there is.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Hashable, Mapping
from typing import Final, TypeVar

from api.cache import Cache
from api.mongo import NAME, Mongo, ReadingLostError
from api.published_run import PublishedRun
from api.run_pointer import RunPointer
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
        look_seconds: float,
    ) -> None:
        """`prepared` are sums by mart, read through `patient` before a run is shown.

        At most `answers` are kept per run; a request waits `wait_seconds` at most.
        """
        self._mongo = mongo
        self._patient = patient
        self._prepared = prepared
        self._answers = answers
        self._wait_seconds = wait_seconds
        self._look_seconds = look_seconds
        self._run: PublishedRun | None = None
        self._prepared_edition: Edition | None = None
        self._preparing: tuple[Edition, asyncio.Task[None]] | None = None
        self._down = False
        self._looked = asyncio.Event()

    async def ask(self, question: Hashable, compute: Callable[[PublishedRun], Awaitable[T]]) -> T:
        """What `compute` makes of one run, from memory where the same was asked of it before.

        Raises StoreDownError, ProblemError 404 before the first publish, and what `compute` raises.
        """
        try:
            async with asyncio.timeout(self._wait_seconds):
                await self._looked.wait()
                try:
                    return await self._answer(self._shown(), question, compute)
                except ReadingLostError:
                    await self._replace(self._shown())
                    return await self._answer(self._shown(), question, compute)
        except (TimeoutError, ReadingLostError) as error:
            raise StoreDownError(self.name) from error

    async def weight_bytes(self) -> int | None:
        """What the warehouse took when its run was shown, None until that is known; raises StoreDownError."""
        try:
            async with asyncio.timeout(self._wait_seconds):
                await self._looked.wait()
        except TimeoutError as error:
            raise StoreDownError(self.name) from error
        return self._shown().weight_bytes

    async def read(self, reading: Callable[[Mongo], Awaitable[T]]) -> T:
        """What is read beside the published run; raises StoreDownError."""
        if self._down:
            raise StoreDownError(self.name)
        try:
            return await reading(self._mongo)
        except ReadingLostError as error:
            raise StoreDownError(self.name) from error

    async def ping(self) -> None:
        """Return when the warehouse answers; raises StoreDownError."""
        if self._down:
            raise StoreDownError(self.name)
        await self._pointer()

    async def follow(self) -> None:
        """Look at the pointer for ever, or until cancelled."""
        try:
            while True:
                try:
                    await self._look()
                except (StoreDownError, ReadingLostError) as error:
                    logger.warning("the published run is looked for again: %s", text_of(error))
                self._looked.set()
                await asyncio.sleep(self._look_seconds)
        finally:
            self._stop_preparing()

    def _shown(self) -> PublishedRun:
        if self._down or self._run is None:
            raise StoreDownError(self.name)
        return self._run

    async def _answer(
        self, run: PublishedRun, question: Hashable, compute: Callable[[PublishedRun], Awaitable[T]]
    ) -> T:
        async def checked() -> T:
            answer = await compute(run)
            if not (await self._pointer()).still_shows(run.published):
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

    async def _look(self) -> None:
        """Notice a new run; making its sums may take long and must not keep anybody from looking."""
        published = await self._pointer()
        if self._run is None:  # nothing older could answer meanwhile
            self._run = self._new_run(published)
        wanted = published.edition
        if wanted == self._prepared_edition or self._prepares(wanted):
            return
        self._stop_preparing()
        shown = self._run.published.edition == wanted
        run = self._run if shown else self._new_run(published)
        self._preparing = wanted, asyncio.create_task(self._prepare(run))

    async def _prepare(self, run: PublishedRun) -> None:
        """Make the sums, then show the run; what fails is tried again with the next look."""
        try:
            for mart, prepare in self._prepared.items():
                if mart in run.published.marts:
                    await prepare(run)
            await run.weigh()
            self._run, self._prepared_edition = run, run.published.edition
        except (StoreDownError, ReadingLostError) as error:
            logger.warning("the sums of %s are made again: %s", run.published.run_id, text_of(error))

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
        """Show the run there is now, prepared or not."""
        if self._run is lost:
            self._run = self._new_run(await self._pointer())

    def _new_run(self, published: RunPointer) -> PublishedRun:
        return PublishedRun(self._mongo, self._patient, published, Cache(self._answers))
