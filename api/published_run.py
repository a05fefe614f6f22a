"""Reads of one published run."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, TypeVar

from api.cache import Cache
from api.mongo import Find, Mongo
from api.run_pointer import Mart, RunPointer
from app.published_run import Document

T = TypeVar("T")

#: Maximum number of cached sums and lists, of whole marts and of single countries.
_KEPT_MAX = 600


class PublishedRun:
    """One published run; `answers` are those it has given, `weight_bytes` is None until it was weighed."""

    def __init__(self, mongo: Mongo, patient: Mongo, published: RunPointer, answers: Cache) -> None:
        self.published = published
        self.answers = answers
        self.weight_bytes: int | None = None
        self._mongo = mongo
        self._patient = patient
        self._kept = Cache(_KEPT_MAX)

    def mart(self, name: str) -> Mart:
        """Returns a mart of this run; raises ProblemError 404 while no run has published it."""
        return self.published.mart(name)

    async def find(self, mart: str, find: Find) -> list[Document]:
        """Returns documents of a mart."""
        return await self._mongo.find(self.mart(mart).collection, find)

    async def one(self, mart: str, identity: str) -> Document | None:
        """Returns a document of a mart by its `_id`."""
        return await self._mongo.one(self.mart(mart).collection, {"_id": identity})

    async def aggregate(self, mart: str, stages: Sequence[Mapping[str, Any]]) -> list[Document]:
        """Runs a pipeline over a part of a mart."""
        return await self._mongo.aggregate(self.mart(mart).collection, stages)

    async def sums(
        self, mart: str, stages: Sequence[Mapping[str, Any]], fold: Callable[[list[Document]], T], part: Hashable = None
    ) -> T:
        """Runs a pipeline over a mart or a part of it, and folds its few documents; once per run."""

        async def compute() -> T:
            collection = self.mart(mart).collection
            return fold(await self._patient.aggregate(collection, stages))

        return await self._kept.get((mart, "sums", part), compute)

    async def listed(self, mart: str, find: Find, part: Hashable) -> list[Document]:
        """Returns frequently requested documents of a part of a mart; read once per run."""

        async def compute() -> list[Document]:
            return await self._patient.find(self.mart(mart).collection, find)

        return await self._kept.get((mart, "list", part), compute)

    async def read_size(self) -> None:
        """Reads the warehouse's size, once per run: only a publish changes it."""
        self.weight_bytes = await self._patient.size_bytes()
