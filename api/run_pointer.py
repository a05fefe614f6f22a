"""The pointer of the warehouse, read once: which collection and version shows each mart."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Self

from api.problems import ProblemError
from app.published_run import Document, visible

_TYPE = "urn:globalmart:not-published"


@dataclass(frozen=True, slots=True)
class Mart:
    """Where a mart of one run is; `as_of` is the last UTC day it counts."""

    collection: str
    version: int
    as_of: date

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> Self:
        """The mart an entry of the pointer speaks of."""
        return cls(entry["collection"], entry["version"], entry["as_of"].date())

    @property
    def of_this_version(self) -> Document:
        """The filter that shows this version of a fact."""
        return visible(self.version)


@dataclass(frozen=True, slots=True)
class RunPointer:
    """One state of the pointer; `previous` is what the publish before showed and is readable still.

    `erasures` counts the users erased from the run since its publish: what was read before knows them.
    """

    run_id: str | None
    marts: Mapping[str, Mart]
    previous: Mapping[str, Mart]
    erasures: int = 0

    @property
    def edition(self) -> tuple[str | None, int]:
        """Names the documents shown; answers are kept as long as it stays."""
        return self.run_id, self.erasures

    @classmethod
    def of(cls, pointer: Document | None) -> Self:
        """What the pointer says; nothing before the first publish."""
        told = pointer or {"run_id": None, "marts": {}, "previous": {}}
        marts, previous = ({name: Mart.of(entry) for name, entry in told[key].items()} for key in ("marts", "previous"))
        return cls(told["run_id"], marts, previous, told.get("erasures", 0))

    def mart(self, name: str) -> Mart:
        """Where to read a mart; raises ProblemError 404 while no run has published it."""
        if name not in self.marts:
            raise not_published(name)
        return self.marts[name]

    def still_shows(self, earlier: "RunPointer") -> bool:
        """Whether every mart of an earlier state is whole now."""
        return all(mart in (self.marts.get(name), self.previous.get(name)) for name, mart in earlier.marts.items())


def not_published(name: str) -> ProblemError:
    """404 that says what to run."""
    detail = f"no run of the batch has published {name} yet; `globalmart batch nightly` publishes all that is read here"
    return ProblemError(404, detail, type=_TYPE)
