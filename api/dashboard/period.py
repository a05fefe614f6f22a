"""Which time a page speaks of, and the time before it that it is compared with; UTC, pure."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final, Self

#: Presets by the name they have in the address: how many days up to today; None is everything stored.
PRESETS: Final[dict[str, int | None]] = {"1d": 1, "7d": 7, "30d": 30, "90d": 90, "all": None}
LAST_HOUR: Final = "1h"
DEFAULT_PRESET: Final = "30d"
#: Days before that an hour of the day is compared with: every weekday once.
USUAL_DAYS: Final = 7
_HOURLY_UP_TO_DAYS: Final = 3
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Hour:
    """The last 60 whole minutes, `[start, end)`."""

    start: datetime
    end: datetime

    @classmethod
    def last(cls, now: datetime) -> Self:
        """The hour up to the running minute."""
        end = now.replace(second=0, microsecond=0)
        return cls(end - timedelta(hours=1), end)

    @property
    def query(self) -> dict[str, str | None]:
        """Parameters of the API."""
        return {"start_date": _instant(self.start), "end_date": _instant(self.end)}

    @property
    def unit(self) -> str:
        """What a chart over this time has a bar for."""
        return "minute"

    @property
    def whole_days(self) -> "Days":
        """The days it lies in, for figures that there are only by day."""
        return Days(self.start.date(), (self.end - timedelta(microseconds=1)).date())

    def before(self, now: datetime) -> "Before":
        """The same minutes of the day before: an hour at night is not held against one at noon."""
        return Before(_instant(self.start - _DAY), _instant(self.end - _DAY))

    def __str__(self) -> str:
        return f"{self.start:%Y-%m-%d %H:%M} to {self.end:%H:%M}"


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

    @property
    def unit(self) -> str:
        """What a chart over these days has a bar for."""
        return "hour" if self.number is not None and self.number <= _HOURLY_UP_TO_DAYS else "day"

    @property
    def whole_days(self) -> "Days":
        """These days."""
        return self

    @property
    def usual(self) -> "Days | None":
        """The week before the first day, which tells what is usual at an hour of the day; None without one."""
        if self.first is None or self.first.toordinal() <= USUAL_DAYS:
            return None
        return Days(self.first - USUAL_DAYS * _DAY, self.first - _DAY)

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
        return Before(first.isoformat(), _instant(end))

    def __str__(self) -> str:
        if self.first is None or self.last is None:
            return "everything stored"
        return str(self.first) if self.first == self.last else f"{self.first} to {self.last}"


Period = Hour | Days


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
        return f"{_written(self.start)} to {_written(self.end)}"


def _instant(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def _written(parameter: str) -> str:
    return parameter.replace("T", " ").removesuffix(":00Z")
