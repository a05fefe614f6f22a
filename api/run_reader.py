"""Reads of one published run."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Self, TypeVar

from api.cache import Cache
from api.mongo_reader import Find, Mongo
from api.problems import ProblemError
from app.published_run import Document, visible

_TYPE = "urn:globalmart:not-published"
T = TypeVar("T")
#: Maximum number of cached sums and lists, of whole marts and of single countries.
_KEPT_MAX = 600


@dataclass(frozen=True, slots=True)
class Mart:
    """The location of a mart of one run; `as_of` is the last UTC day in it."""

    collection: str
    version: int
    as_of: date

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> Self:
        """Returns the mart of an entry of the pointer."""
        return cls(entry["collection"], entry["version"], entry["as_of"].date())

    @property
    def of_this_version(self) -> Document:
        """Filter for this version of a fact."""
        return visible(self.version)


@dataclass(frozen=True, slots=True)
class RunPointer:
    """A state of the pointer; `previous` are the marts of the previous publish, which are still readable.

    `erasures` counts the users erased from the run since its publish: earlier reads may contain them.
    """

    run_id: str | None
    marts: Mapping[str, Mart]
    previous: Mapping[str, Mart]
    erasures: int = 0

    @property
    def edition(self) -> tuple[str | None, int]:
        """Identifies the published documents; answers are cached as long as it does not change."""
        return self.run_id, self.erasures

    @classmethod
    def of(cls, pointer: Document | None) -> Self:
        """Parses the pointer document; without marts before the first publish."""
        document = pointer or {"run_id": None, "marts": {}, "previous": {}}
        marts, previous = (
            {name: Mart.of(entry) for name, entry in document[key].items()} for key in ("marts", "previous")
        )
        return cls(document["run_id"], marts, previous, document.get("erasures", 0))

    def mart(self, name: str) -> Mart:
        """Returns the location of a mart; raises ProblemError 404 while no run has published it."""
        if name not in self.marts:
            raise not_published(name)
        return self.marts[name]

    def still_contains(self, earlier: "RunPointer") -> bool:
        """Whether every mart of an earlier state is still readable."""
        return all(mart in (self.marts.get(name), self.previous.get(name)) for name, mart in earlier.marts.items())


def not_published(name: str) -> ProblemError:
    """Returns a 404 that names the command to run."""
    detail = f"no run of the batch has published {name} yet; `globalmart batch nightly` publishes all that is read here"
    return ProblemError(404, detail, type=_TYPE)


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
