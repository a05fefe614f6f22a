"""The Parquet lake: one file per table and UTC day, and a manifest that lists the valid ones.

A file is written under a new name and is valid from the moment the manifest names it, so a killed run does not change
the lake. The manifest is replaced atomically. A file that is older than a field of its topic does not have it.
"""

import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from app.errors import LakeError, text_of
from batch.manifest import Manifest
from batch.sources import LakeTable

_MANIFEST: Final = "manifest.json"
_PIECE_ROWS: Final = 50_000


@dataclass(frozen=True, slots=True)
class DayFile:
    """A file under construction; `name` is relative to the lake."""

    name: str
    writer: pq.ParquetWriter

    def write(self, rows: pa.Table) -> None:
        """Appends rows with the table's schema."""
        self.writer.write_table(rows)


class Lake:
    """The lake in `location`, a folder or a URL that both pyarrow and Spark support (file, hdfs, s3).

    A missing folder is created; without `create` it reads as empty.
    """

    def __init__(self, location: str, *, create: bool = True) -> None:
        if "://" not in location:
            location = Path(location).absolute().as_uri()
        self.location = location.rstrip("/")
        filesystem, root = fs.FileSystem.from_uri(self.location)
        if create:
            filesystem.create_dir(root, recursive=True)
        self._files = fs.SubTreeFileSystem(root, filesystem)

    def address(self, name: str) -> str:
        """Returns the URL of a file of the lake, for Spark."""
        return f"{self.location}/{name}"

    def has_manifest(self) -> bool:
        """Whether a batch has filled the lake."""
        return self.has(_MANIFEST)

    def read_manifest(self) -> Manifest:
        """Reads the manifest; empty for a new lake. Raises LakeError if it is damaged."""
        if not self.has_manifest():
            return Manifest()
        with self._files.open_input_stream(_MANIFEST) as stream:
            text = stream.read().decode()
        try:
            return Manifest.from_json(text)
        except ValueError as error:
            raise LakeError(
                f"{self.address(_MANIFEST)} is damaged ({text_of(error)}); restore it, or rename the lake's "
                "folder and run again: every day in PostgreSQL is then read again"
            ) from error

    def write_manifest(self, manifest: Manifest) -> None:
        """Replaces the lake's manifest."""
        draft = f"{_MANIFEST}.draft"
        with self._files.open_output_stream(draft) as stream:
            stream.write(manifest.to_json().encode())
        self._files.move(draft, _MANIFEST)

    @contextmanager
    def new_file(self, source: LakeTable, day: date) -> Iterator[DayFile]:
        """Yields a new file for one day; it is valid once a manifest names it."""
        folder = f"{source.name}/day={day}"
        self._files.create_dir(folder, recursive=True)
        name = f"{folder}/{uuid.uuid4().hex}.parquet"
        with pq.ParquetWriter(name, source.arrow_schema, filesystem=self._files, compression="zstd") as writer:
            yield DayFile(name, writer)

    def read_file(self, name: str) -> pa.Table:
        """Returns all rows of one file."""
        return pq.read_table(name, filesystem=self._files, partitioning=None)

    def read_day(self, source: LakeTable, name: str) -> pa.Table:
        """Returns all rows of a day's file with the table's schema; fields that the file is older than are null."""
        return _completed(self.read_file(name), source)

    def gather(self, source: LakeTable, names: Iterable[str]) -> str:
        """Copies the rows of files to a new one and returns its name; `remove_orphans` deletes it.

        All rows are in memory at once.
        """
        tables = [self.read_day(source, name) for name in names]
        gathered = f"{source.name}/{uuid.uuid4().hex}.parquet"
        pq.write_table(
            pa.concat_tables(tables), gathered, row_group_size=_PIECE_ROWS, filesystem=self._files, compression="none"
        )
        return gathered

    def read_pieces(self, name: str, columns: list[str] | None = None) -> Iterator[pa.Table]:
        """Yields the rows of one file in pieces: a day may be larger than memory."""
        with self._files.open_input_file(name) as stream:
            for piece in pq.ParquetFile(stream).iter_batches(_PIECE_ROWS, columns=columns):
                yield pa.Table.from_batches([piece])

    def read_day_pieces(self, source: LakeTable, name: str) -> Iterator[pa.Table]:
        """Yields the rows of a day's file in pieces, with the table's schema as `read_day`."""
        return (_completed(piece, source) for piece in self.read_pieces(name))

    def files_below(self, folder: str) -> list[str]:
        """Returns the Parquet files anywhere below a folder of Spark's, without those that Spark ignores."""
        selector = fs.FileSelector(folder, allow_not_found=True, recursive=True)
        found = [info.path for info in self._files.get_file_info(selector) if info.is_file]
        hidden = ("_", ".")
        return sorted(
            path for path in found if path.endswith(".parquet") and not path.rsplit("/", 1)[1].startswith(hidden)
        )

    def replace_file(self, name: str, rows: pa.Table) -> None:
        """Replaces the rows of a file atomically; Hadoop's checksum file of the old rows is deleted first."""
        folder, file = name.rsplit("/", 1)
        draft, checksum = f"{folder}/_{file}", f"{folder}/.{file}.crc"
        pq.write_table(rows, draft, filesystem=self._files, compression="zstd")
        if self.has(checksum):
            self._files.delete_file(checksum)
        self._files.move(draft, name)

    def has(self, name: str) -> bool:
        """Whether the file or folder exists."""
        return bool(self._files.get_file_info(name).type != fs.FileType.NotFound)

    def remove_orphans(self, manifest: Manifest, tables: Iterable[str]) -> int:
        """Deletes files that the manifest does not name: those of killed runs, and replaced ones."""
        known = manifest.all_files()
        removed = 0
        for table in tables:
            selector = fs.FileSelector(table, allow_not_found=True, recursive=True)
            for found in self._files.get_file_info(selector):
                if found.is_file and found.path not in known:
                    self._files.delete_file(found.path)
                    removed += 1
        return removed


def _completed(rows: pa.Table, source: LakeTable) -> pa.Table:
    """Adds the fields that the topic has got since the rows were written, as nulls."""
    known = set(rows.column_names)
    columns = [
        rows[field.name] if field.name in known else pa.nulls(len(rows), field.type) for field in source.arrow_schema
    ]
    return pa.table(columns, schema=source.arrow_schema)
