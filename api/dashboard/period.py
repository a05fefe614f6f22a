"""Which days a page speaks of, and the days before them; UTC, pure."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final, Self

#: Presets by the name they have in the address: how many days up to today; None is everything stored.
PRESETS: Final[dict[str, int | None]] = {"1d": 1, "7d": 7, "30d": 30, "90d": 90, "all": None}
DEFAULT_PRESET: Final = "30d"


@dataclass(frozen=True, slots=True)
class Days:
    """Both days count whole; without them everything stored counts."""

    first: date | None = None
    last: date | None = None

    @classmethod
    def preset(cls, name: str, today: date) -> Self:
        """The days of a preset, today included."""
        days = PRESETS[name]
        return cls() if days is None else cls(today - timedelta(days=days - 1), today)

    @property
    def query(self) -> dict[str, str | None]:
        """Parameters of the API."""
        return {
            "start_date": None if self.first is None else self.first.isoformat(),
            "end_date": None if self.last is None else self.last.isoformat(),
        }

    @property
    def number(self) -> int | None:
        """How many days; None without bounds."""
        if self.first is None or self.last is None:
            return None
        return (self.last - self.first).days + 1

    def before(self, now: datetime) -> "Before | None":
        """As many days just before these; None without bounds or where the calendar ends.

        While the last day is not over, the days before end at the same minute of their last day: half a
        day is not held against a whole one.
        """
        if self.first is None or self.last is None or self.number is None:
            return None
        if self.first.toordinal() <= self.number:
            return None
        time_range = timedelta(days=self.number)
        first, last = self.first - time_range, self.last - time_range
        if self.last < now.date():
            return Before(first.isoformat(), last.isoformat())
        end = now.replace(second=0, microsecond=0) - time_range
        return Before(first.isoformat(), end.isoformat().replace("+00:00", "Z"))

    def __str__(self) -> str:
        if self.first is None or self.last is None:
            return "everything stored"
        return str(self.first) if self.first == self.last else f"{self.first} to {self.last}"


@dataclass(frozen=True, slots=True)
class Before:
    """Start and end as parameters of the API."""

    start: str
    end: str

    @property
    def query(self) -> dict[str, str]:
        """Parameters of the API."""
        return {"start_date": self.start, "end_date": self.end}

    def __str__(self) -> str:
        return f"{self.start} to {self.end.replace('T', ' ').removesuffix(':00Z')}"
