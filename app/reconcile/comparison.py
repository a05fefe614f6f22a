"""Figures by name, from responses or from stores, and their comparison."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from app.errors import EmbeddedStackError

#: Values by name, `segments Champions: customer_count`; numbers are whole or Decimal.
Account = Mapping[str, Any]

#: What a request to the API or opening a page may raise.
FAILURES: Final = (EmbeddedStackError, OSError, LookupError, RuntimeError, ValueError)
_REPORTED_DIFFERENCES: Final = 5


class Row(Protocol):
    """Fields by name: a document, an item of a response, a record of a table."""

    def __getitem__(self, name: str, /) -> Any:
        """The field's value."""


def named(title: str, keys: tuple[str, ...], fields: tuple[str, ...], rows: Iterable[Row]) -> dict[str, Any]:
    """Returns the fields of the rows under names made of the title and each row's keys."""
    return {
        f"{' '.join((title, *(str(row[key]) for key in keys)))}: {name}": row[name] for row in rows for name in fields
    }


@dataclass(frozen=True, slots=True)
class Comparison:
    """What something shows against what it has to show.

    `failure` says why nothing could be read; `moving` that figures changed during the comparison.
    """

    what: str
    expected: Account = field(default_factory=dict)
    found: Account = field(default_factory=dict)
    failure: str | None = None
    moving: bool = False

    @property
    def compared(self) -> int:
        """Number of figures on either side."""
        return len(self.expected.keys() | self.found.keys())

    @property
    def differences(self) -> list[str]:
        """Every figure that differs or is on one side only; or the failure alone."""
        return list(self._differences()) if self.failure is None else [self.failure]

    @property
    def details(self) -> list[str]:
        """The first differences, as lines of the report."""
        return [f"{self.what}: {text}" for text in self.differences[:_REPORTED_DIFFERENCES]]

    def as_data(self) -> dict[str, int]:
        """Returns its section of the report."""
        return {"compared": self.compared, "mismatches": len(self.differences)}

    def _differences(self) -> Iterator[str]:
        if not self.expected:
            yield "there is nothing to compare with"
        for name in sorted(self.expected.keys() | self.found.keys()):
            wanted, shown = (side.get(name, "nothing") for side in (self.expected, self.found))
            if wanted != shown:
                yield f"{name}: stored {wanted}, shown {shown}"
