"""The pointer of the warehouse: collection and version of each published mart."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Self

from api.problems import ProblemError
from app.published_run import Document, visible

_TYPE = "urn:globalmart:not-published"


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
