"""The findings of `globalmart doctor`."""

from dataclasses import dataclass

from app.errors import text_of


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem of an area, and its fix where the problem does not name it.

    A note is worth knowing, and nothing is wrong.
    """

    area: str
    problem: str
    fix: str
    is_note: bool = False

    def __str__(self) -> str:
        place = "" if self.problem.startswith(self.area) else f"{self.area}: "
        return f"{place}{self.problem}; {self.fix}" if self.fix else f"{place}{self.problem}"


def from_error(area: str, error: Exception) -> Finding:
    """Splits an error's message into problem and fix, which most messages separate by a semicolon."""
    problem, _, fix = text_of(error).partition("; ")
    return Finding(area, problem, fix)
