"""What `globalmart doctor` finds."""

from dataclasses import dataclass

from app.errors import text_of


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong with an area, and how to mend it where the problem does not say so itself."""

    area: str
    problem: str
    cure: str

    def __str__(self) -> str:
        place = "" if self.problem.startswith(self.area) else f"{self.area}: "
        return f"{place}{self.problem}; {self.cure}" if self.cure else f"{place}{self.problem}"


def from_error(area: str, error: Exception) -> Finding:
    """Our errors say what is wrong and what to do, most of them after a semicolon."""
    problem, _, cure = text_of(error).partition("; ")
    return Finding(area, problem, cure)
