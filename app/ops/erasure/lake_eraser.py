"""Erases a user from the lake: writes new files next to the affected ones and switches the manifest to them.

Row count and checksum of a day do not change, so they still equal PostgreSQL's, and the batch reads no day again. The
caller holds the lock of the batch.
"""

from collections.abc import Iterator
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from app.domain.pseudonyms import Pseudonym
from app.ops.erasure.table_eraser import Reached
from batch.lake import Lake
from batch.manifest import LakeDay
from batch.segment_history import FOLDER
from batch.sources import SOURCES, SourceTable


def count_files(lake: Lake, user_id: str) -> int:
    """Counts the files that contain the id."""
    return sum(1 for _ in _days(lake, user_id)) + sum(1 for _ in _histories(lake, user_id))


def erase_from_lake(lake: Lake, user_id: str, pseudonym: Pseudonym, reached: Reached) -> int:
    """Renames the user in every file and deletes orphaned files; returns how many files were written."""
    written = 0
    for source, day, known in list(_days(lake, user_id)):
        with lake.new_file(source, day) as file:
            for rows in lake.read_pieces(known.file):
                file.write(renamed(rows, user_id, pseudonym))
        reached("lake file")
        manifest = lake.read_manifest()
        lake.write_manifest(manifest.with_days(source.name, {day: LakeDay(known.summary, file.name)}))
        written += 1
    lake.remove_orphans(lake.read_manifest(), (source.name for source in SOURCES))
    for name in list(_histories(lake, user_id)):
        lake.replace_file(name, renamed(lake.read_file(name), user_id, pseudonym))
        written += 1
    return written


def renamed(rows: pa.Table, user_id: str, pseudonym: Pseudonym) -> pa.Table:
    """Returns the rows with the pseudonyms of the user and of the user's sessions."""
    mine = pc.equal(rows["user_id"], user_id).combine_chunks()
    names = {"user_id": [pseudonym.user_id] * pc.sum(mine).as_py()}
    if "session_id" in rows.column_names:
        sessions = rows["session_id"].filter(mine).to_pylist()
        names["session_id"] = [s and pseudonym.session(s) for s in sessions]
    for name, values in names.items():
        place = rows.schema.get_field_index(name)
        column = pc.replace_with_mask(rows[name].combine_chunks(), mine, pa.array(values, rows.schema.field(name).type))
        rows = rows.set_column(place, rows.schema.field(name), column)
    return rows


def _days(lake: Lake, user_id: str) -> Iterator[tuple[SourceTable, date, LakeDay]]:
    manifest = lake.read_manifest()
    for source in SOURCES:
        for day, known in sorted(manifest.days(source.name).items()):
            if _holds(lake, known.file, user_id):
                yield source, day, known


def _histories(lake: Lake, user_id: str) -> Iterator[str]:
    return (name for name in lake.files_below(FOLDER) if _holds(lake, name, user_id))


def _holds(lake: Lake, name: str, user_id: str) -> bool:
    pieces = lake.read_pieces(name, ["user_id"])
    return any(pc.any(pc.equal(rows["user_id"], user_id)).as_py() for rows in pieces)
