"""Copies new and changed days from PostgreSQL to the lake.

A day has changed when PostgreSQL's row count and checksum differ from the lake's. Rows are only added, until retention
deletes the oldest; the lake keeps deleted rows, so it is the archive. A day that is partly deleted in PostgreSQL is
merged with the lake's by key.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from app.errors import LakeError
from batch.lake import Lake
from batch.manifest import DayChecksum, LakeDay, Manifest
from batch.postgres_snapshot import Snapshot
from batch.sources import LAKE_TABLES, LakeTable

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Extracted:
    """The lake's manifest after an extract, and the number of days and rows read."""

    manifest: Manifest
    days: int
    rows: int


def extract(
    snapshot: Snapshot, lake: Lake, as_of: date, *, group_rows: int, full: bool = False, report: Report = lambda _: None
) -> Extracted:
    """Reads the changed days up to and including `as_of`, or every day in PostgreSQL if `full`.

    Raises LakeError if rows are neither in PostgreSQL nor in the lake, or if PostgreSQL has lost rows that retention
    does not delete.
    """
    manifest = lake.read_manifest()
    lake.remove_orphans(manifest, LAKE_TABLES)
    days = rows = 0
    for source in LAKE_TABLES.values():
        checksums = snapshot.day_checksums(source, as_of)
        known = manifest.days(source.name)
        table = _TableExtract(lake, source, checksums, known, _archived(checksums, snapshot.deleted_before(source)))
        table.require_no_losses()
        changed = {d: s for d, s in checksums.items() if full or d not in known or known[d].summary != s}
        for group in _groups(changed, group_rows):
            manifest = manifest.with_days(source.name, table.write(snapshot, group))
            lake.write_manifest(manifest)
            days += len(group)
            rows += sum(checksums[day].rows for day in group)
            report(f"{source.name}: {group[0]} to {group[-1]}, {rows:,} rows so far")
    lake.remove_orphans(manifest, LAKE_TABLES)
    return Extracted(manifest, days, rows)


def _archived(checksums: Mapping[date, DayChecksum], deleted_before: date | None) -> set[date]:
    """Returns days of which retention may have deleted rows: those before its limit, and the oldest in PostgreSQL."""
    oldest = min(checksums, default=None)
    return {day for day in checksums if day == oldest or (deleted_before and day < deleted_before)}


def _groups(changed: Mapping[date, DayChecksum], group_rows: int) -> Iterator[list[date]]:
    """Yields groups of consecutive days of at most `group_rows` rows; a larger day is its own group."""
    group: list[date] = []
    rows = 0
    for day, found in sorted(changed.items()):
        follows = group and day == group[-1] + timedelta(days=1)
        if group and (not follows or rows + found.rows > group_rows):
            yield group
            group, rows = [], 0
        group.append(day)
        rows += found.rows
    if group:
        yield group


@dataclass(frozen=True, slots=True)
class _TableExtract:
    """One table: PostgreSQL's checksums, the days the lake has, and those of which retention may have deleted rows."""

    lake: Lake
    source: LakeTable
    checksums: Mapping[date, DayChecksum]
    known: Mapping[date, LakeDay]
    archived: set[date]

    def require_no_losses(self) -> None:
        """Raises LakeError if a day that is not archived has lost rows."""
        for day, found in sorted(self.checksums.items()):
            if day not in self.archived and day in self.known and found.rows < self.known[day].summary.rows:
                raise LakeError(
                    f"PostgreSQL has {found.rows:,} rows of {self.source.name} on {day}, the lake "
                    f"{self.known[day].summary.rows:,}: rows were deleted manually. Restore them, or delete "
                    f"day {day} from the lake's manifest to accept it"
                )

    def write(self, snapshot: Snapshot, group: list[date]) -> dict[date, LakeDay]:
        """Writes consecutive days."""
        pieces = snapshot.tables(self.source, group[0], group[-1])
        by_day: Iterable[tuple[date, Iterable[pa.Table]]] = (
            [(group[0], pieces)] if len(group) == 1 else _split(self.source, pieces, group)
        )
        return {day: self._write_day(day, rows) for day, rows in by_day}

    def _write_day(self, day: date, pieces: Iterable[pa.Table]) -> LakeDay:
        """Writes a day and compares it with PostgreSQL's checksum from the same snapshot."""
        expected = self.checksums[day]
        written = self._write_file(day, pieces)
        if day in self.known and (written.summary != expected or day in self.archived):
            written = self._write_file(day, self._merged(written.file, self.known[day].file))
        if written.summary == expected or written.summary.rows > expected.rows:
            return written
        raise LakeError(
            f"{self.source.name} of {day}: {written.summary} can be read, PostgreSQL's checksum "
            f"is {expected}, and the lake does not have the rest. If the rows were deleted after their "
            "retention, restore the lake they were extracted to"
        )

    def _write_file(self, day: date, pieces: Iterable[pa.Table]) -> LakeDay:
        """Writes a new file and counts its rows."""
        counted = DayChecksum(0, 0)
        with self.lake.new_file(self.source, day) as file:
            for piece in pieces:
                file.write(piece)
                counted = _add(counted, piece, self.source)
        return LakeDay(counted, file.name)

    def _merged(self, present_file: str, archived_file: str) -> list[pa.Table]:
        """Returns PostgreSQL's rows, and those that only the lake has."""
        present, archived = (self.lake.read_day(self.source, name) for name in (present_file, archived_file))
        key = self.source.key
        return [present, archived.filter(pc.invert(pc.is_in(archived[key], value_set=present[key])))]


def _split(source: LakeTable, pieces: Iterable[pa.Table], group: list[date]) -> Iterator[tuple[date, list[pa.Table]]]:
    table = pa.concat_tables([source.arrow_schema.empty_table(), *pieces])
    days = pc.cast(table["timestamp"], pa.timestamp("us")).cast(pa.date32(), safe=False)
    order = pc.sort_indices(days)
    table, days = table.take(order), days.take(order)
    start = 0
    for day in group:
        end = start + pc.sum(pc.equal(days, pa.scalar(day))).as_py() if len(days) else 0
        yield day, [table.slice(start, end - start)]
        start = end


def _add(counted: DayChecksum, piece: pa.Table, source: LakeTable) -> DayChecksum:
    total = pc.sum(piece[source.checksum]).as_py() or 0
    scale = 100 if source.checksum == "total_amount" else 1
    return DayChecksum(counted.rows + len(piece), counted.checksum + int(total * scale))
