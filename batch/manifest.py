"""The lake's manifest: per table and UTC day the file, the number of rows and a checksum."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Self


@dataclass(frozen=True, slots=True)
class DayChecksum:
    """Number of rows of one day and their checksum: cents of revenue, or the sum of source offsets."""

    rows: int
    checksum: int


@dataclass(frozen=True, slots=True)
class LakeDay:
    """One day in the lake; `file` is relative to the lake."""

    summary: DayChecksum
    file: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """The content of the lake: days by table name."""

    tables: Mapping[str, Mapping[date, LakeDay]] = field(default_factory=dict)

    def days(self, table: str) -> Mapping[date, LakeDay]:
        """Returns the days of a table, none if it was never extracted."""
        return self.tables.get(table, {})

    def files(self, table: str, as_of: date) -> list[str]:
        """Returns the files of the days up to and including `as_of`, in order."""
        return [found.file for day, found in sorted(self.days(table).items()) if day <= as_of]

    def all_files(self) -> set[str]:
        """Returns every file that belongs to the lake."""
        return {found.file for days in self.tables.values() for found in days.values()}

    def totals(self, table: str, as_of: date) -> DayChecksum:
        """Returns rows and checksum of a table over the days up to and including `as_of`."""
        checksums = [found.summary for day, found in self.days(table).items() if day <= as_of]
        return DayChecksum(sum(s.rows for s in checksums), sum(s.checksum for s in checksums))

    def rows(self, as_of: date) -> int:
        """Returns the rows of all tables over the days up to and including `as_of`."""
        return sum(self.totals(table, as_of).rows for table in self.tables)

    def with_days(self, table: str, days: Mapping[date, LakeDay]) -> Self:
        """Returns the manifest with days of one table added or replaced."""
        return type(self)({**self.tables, table: {**self.days(table), **days}})

    def snapshot_id(self, as_of: date, complete_before: date) -> str:
        """Returns the id of the data up to `as_of`: equal for equal data, however it was added to the lake.

        Documents also mark complete periods, so a snapshot taken before the end of `as_of` has another id.
        """
        digest = hashlib.sha256(as_of.isoformat().encode())
        if complete_before <= as_of:
            digest.update(f"<{complete_before}".encode())
        for table in sorted(self.tables):
            for day, found in sorted(self.days(table).items()):
                if day <= as_of:
                    digest.update(f"|{table} {day} {found.summary}".encode())
        return digest.hexdigest()[:16]

    def to_json(self) -> str:
        """Serializes the manifest."""
        return json.dumps(
            {
                table: {
                    day.isoformat(): [found.summary.rows, str(found.summary.checksum), found.file]
                    for day, found in sorted(days.items())
                }
                for table, days in self.tables.items()
            },
            indent=1,
        )

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Parses the output of `to_json`."""
        content: dict[str, dict[str, tuple[int, str, str]]] = json.loads(text)
        return cls({table: dict(_days(days.items())) for table, days in content.items()})


def _days(items: Iterable[tuple[str, tuple[int, str, str]]]) -> Iterable[tuple[date, LakeDay]]:
    for day, (rows, checksum, file) in items:
        yield date.fromisoformat(day), LakeDay(DayChecksum(rows, int(checksum)), file)
