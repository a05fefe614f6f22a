"""Copies new and changed days from PostgreSQL to the lake.

A day has changed when PostgreSQL's row count and checksum differ from the lake's. Rows are only added, until retention
deletes the oldest; the lake keeps deleted rows, so it is the archive. A day that is partly deleted in PostgreSQL is
merged with the lake's by key.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import chain

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
        archived = _archived(checksums, snapshot.deleted_before(source))
        _require_no_losses(source, checksums, known, archived)
        changed = {d: s for d, s in checksums.items() if full or d not in known or known[d].summary != s}
        for group in _groups(changed, group_rows):
            read = _read_group(snapshot, lake, source, group, checksums, known, archived)
            manifest = manifest.with_days(source.name, read)
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


def _require_no_losses(
    source: LakeTable, checksums: Mapping[date, DayChecksum], known: Mapping[date, LakeDay], archived: set[date]
) -> None:
    """Raises LakeError if another day has lost rows."""
    for day, found in sorted(checksums.items()):
        if day not in archived and day in known and found.rows < known[day].summary.rows:
            raise LakeError(
                f"PostgreSQL has {found.rows:,} rows of {source.name} on {day}, the lake "
                f"{known[day].summary.rows:,}: rows were deleted manually. Restore them, or delete "
                f"day {day} from the lake's manifest to accept it"
            )


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


def _read_group(
    snapshot: Snapshot,
    lake: Lake,
    source: LakeTable,
    group: list[date],
    checksums: Mapping[date, DayChecksum],
    known: Mapping[date, LakeDay],
    archived: set[date],
) -> dict[date, LakeDay]:
    pieces = snapshot.tables(source, group[0], group[-1])
    by_day: Iterable[tuple[date, Iterable[pa.Table]]] = (
        [(group[0], pieces)] if len(group) == 1 else _split(source, pieces, group)
    )
    return {
        day: _write_day(lake, source, day, rows, checksums[day], known.get(day), day in archived)
        for day, rows in by_day
    }


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


def _write_day(
    lake: Lake,
    source: LakeTable,
    day: date,
    pieces: Iterable[pa.Table],
    expected: DayChecksum,
    known: LakeDay | None,
    archived: bool,
) -> LakeDay:
    """Writes a day and compares it with PostgreSQL's checksum from the same snapshot."""
    counted = DayChecksum(0, 0)
    with lake.new_file(source, day) as file:
        for piece in pieces:
            file.write(piece)
            counted = _add(counted, piece, source)
    written = LakeDay(counted, file.name)
    if known is not None and (counted != expected or archived):
        written = _merge_archived(lake, source, day, file.name, known)
    if written.summary == expected or written.summary.rows > expected.rows:
        return written
    raise LakeError(
        f"{source.name} of {day}: {written.summary} can be read, PostgreSQL's checksum "
        f"is {expected}, and the lake does not have the rest. If the rows were deleted after their "
        "retention, restore the lake they were extracted to"
    )


def _merge_archived(lake: Lake, source: LakeTable, day: date, name: str, known: LakeDay) -> LakeDay:
    """Merges the rows that only the lake has; PostgreSQL's row wins if both have the key."""
    present, archived = lake.read_day(source, name), lake.read_day(source, known.file)
    gone = pc.invert(pc.is_in(archived[source.key], value_set=present[source.key]))
    counted = DayChecksum(0, 0)
    with lake.new_file(source, day) as file:
        for piece in chain([present], [archived.filter(gone)]):
            file.write(piece)
            counted = _add(counted, piece, source)
    return LakeDay(counted, file.name)


def _add(counted: DayChecksum, piece: pa.Table, source: LakeTable) -> DayChecksum:
    total = pc.sum(piece[source.checksum]).as_py() or 0
    scale = 100 if source.checksum == "total_amount" else 1
    return DayChecksum(counted.rows + len(piece), counted.checksum + int(total * scale))
