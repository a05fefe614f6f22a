"""Figures by name, from answers or from stores, and the comparison of two such accounts."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from app.errors import EmbeddedStackError

#: Values by name, `segments Champions: customer_count`; numbers are whole or Decimal.
Account = Mapping[str, Any]

#: What asking the API or opening a page may raise.
FAILURES: Final = (EmbeddedStackError, OSError, LookupError, RuntimeError, ValueError)
_TOLD_DIFFERENCES: Final = 5
_AGAIN_SECONDS: Final = 2.0


class Row(Protocol):
    """Fields by name: a document, an answer's line, a record of a table."""

    def __getitem__(self, name: str, /) -> Any:
        """The field's value."""


def named(title: str, keys: tuple[str, ...], fields: tuple[str, ...], rows: Iterable[Row]) -> dict[str, Any]:
    """The fields of rows under names made of the title and each row's keys."""
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
        """How many figures there are on either side."""
        return len(self.expected.keys() | self.found.keys())

    @property
    def differences(self) -> list[str]:
        """Every figure that differs or is on one side only, or why there is none to compare."""
        return list(self._differences()) if self.failure is None else [self.failure]

    @property
    def told(self) -> list[str]:
        """The first of them, as the report tells them."""
        return [f"{self.what}: {text}" for text in self.differences[:_TOLD_DIFFERENCES]]

    def as_data(self) -> dict[str, int]:
        """Its part of the report."""
        return {"compared": self.compared, "mismatches": len(self.differences)}

    def _differences(self) -> Iterator[str]:
        if not self.expected:
            yield "there is nothing to compare with"
        for name in sorted(self.expected.keys() | self.found.keys()):
            wanted, shown = (side.get(name, "nothing") for side in (self.expected, self.found))
            if wanted != shown:
                yield f"{name}: stored {wanted}, shown {shown}"


def settled(what: str, expected: Account, read: Callable[[], Account], seconds: float) -> Comparison:
    """Compare, and where something differs or cannot be read try again until `seconds` are over.

    The API may answer from memory for a while, and shows a run of the batch only once it is prepared.
    """
    deadline = time.monotonic() + seconds
    while True:
        comparison = _compared(what, expected, read)
        if not comparison.differences or time.monotonic() > deadline:
            return comparison
        time.sleep(_AGAIN_SECONDS)


def _compared(what: str, expected: Account, read: Callable[[], Account]) -> Comparison:
    try:
        return Comparison(what, expected, read())
    except FAILURES as error:
        return Comparison(what, failure=f"{type(error).__name__}: {error}")
