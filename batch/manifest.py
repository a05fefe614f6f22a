"""What the lake holds: per table and UTC day the files, the number of rows and a checksum."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Self


@dataclass(frozen=True, slots=True)
class DayChecksum:
    """Rows of one day and their checksum: cents of revenue, or the sum of source offsets."""

    rows: int
    checksum: int


@dataclass(frozen=True, slots=True)
class LakeDay:
    """One day in the lake; `file` is relative to the lake."""

    print: DayChecksum
    file: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """The whole lake at one moment: table name, day, what is there."""

    tables: Mapping[str, Mapping[date, LakeDay]] = field(default_factory=dict)

    def days(self, table: str) -> Mapping[date, LakeDay]:
        """The days of a table, none if it was never extracted."""
        return self.tables.get(table, {})

    def files(self, table: str, as_of: date) -> list[str]:
        """Files of the days up to and with `as_of`, in their order."""
        return [found.file for day, found in sorted(self.days(table).items()) if day <= as_of]

    def all_files(self) -> set[str]:
        """Every file that belongs to the lake."""
        return {found.file for days in self.tables.values() for found in days.values()}

    def totals(self, table: str, as_of: date) -> DayChecksum:
        """Rows and checksum of a table over the days up to and with `as_of`."""
        checksums = [found.print for day, found in self.days(table).items() if day <= as_of]
        return DayChecksum(sum(p.rows for p in checksums), sum(p.checksum for p in checksums))

    def with_days(self, table: str, days: Mapping[date, LakeDay]) -> Self:
        """The same lake with days of one table added or replaced."""
        return type(self)({**self.tables, table: {**self.days(table), **days}})

    def snapshot_id(self, as_of: date, complete_before: date) -> str:
        """Names the data up to `as_of`: equal data, equal id, however it came into the lake.

        Documents also say which periods are over, so a snapshot taken before the end of `as_of` has an id of its own.
        """
        digest = hashlib.sha256(as_of.isoformat().encode())
        if complete_before <= as_of:
            digest.update(f"<{complete_before}".encode())
        for table in sorted(self.tables):
            for day, found in sorted(self.days(table).items()):
                if day <= as_of:
                    digest.update(f"|{table} {day} {found.print}".encode())
        return digest.hexdigest()[:16]

    def to_json(self) -> str:
        """As it is cached beside the files."""
        return json.dumps(
            {
                table: {
                    day.isoformat(): [found.print.rows, str(found.print.checksum), found.file]
                    for day, found in sorted(days.items())
                }
                for table, days in self.tables.items()
            },
            indent=1,
        )

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The reverse of `to_json`."""
        content: dict[str, dict[str, tuple[int, str, str]]] = json.loads(text)
        return cls({table: dict(_days(days.items())) for table, days in content.items()})


def _days(items: Iterable[tuple[str, tuple[int, str, str]]]) -> Iterable[tuple[date, LakeDay]]:
    for day, (rows, checksum, file) in items:
        yield date.fromisoformat(day), LakeDay(DayChecksum(rows, int(checksum)), file)
