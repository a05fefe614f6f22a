"""The Parquet lake: one file per table and UTC day, and a manifest that says which of them count.

A file is written under a name of its own and counts from the moment the manifest names it, so a run
that is killed leaves the lake as it was. The manifest is replaced at once.
"""

import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from app.errors import LakeError, text_of
from batch.manifest import Manifest
from batch.sources import SourceTable

_MANIFEST: Final = "manifest.json"
_PIECE_ROWS: Final = 50_000


class DayFile:
    """A file under construction; `name` is relative to the lake."""

    def __init__(self, name: str, writer: pq.ParquetWriter) -> None:
        self.name = name
        self._writer = writer

    def write(self, rows: pa.Table) -> None:
        """Append rows with the table's schema."""
        self._writer.write_table(rows)


class Lake:
    """`location` is a folder or an address pyarrow and Spark both know (file, hdfs, s3).

    Made where it is missing; without `create` a missing one reads as empty.
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
        """Of a file of the lake, as Spark reads it."""
        return f"{self.location}/{name}"

    def has_manifest(self) -> bool:
        """Whether a batch has filled it."""
        return self.has(_MANIFEST)

    def read_manifest(self) -> Manifest:
        """What the lake holds; empty for a new one. Raises LakeError if it is not readable."""
        if not self.has_manifest():
            return Manifest()
        with self._files.open_input_stream(_MANIFEST) as stream:
            text = stream.read().decode()
        try:
            return Manifest.from_json(text)
        except ValueError as error:
            raise LakeError(
                f"{self.address(_MANIFEST)} is damaged ({text_of(error)}); restore it, or move the lake "
                "away and run again: every day PostgreSQL still holds is read anew"
            ) from error

    def write_manifest(self, manifest: Manifest) -> None:
        """Make this the lake's content."""
        draft = f"{_MANIFEST}.draft"
        with self._files.open_output_stream(draft) as stream:
            stream.write(manifest.to_json().encode())
        self._files.move(draft, _MANIFEST)

    @contextmanager
    def new_file(self, source: SourceTable, day: date) -> Iterator[DayFile]:
        """A new file for one day; it counts once a manifest names it."""
        folder = f"{source.name}/day={day}"
        self._files.create_dir(folder, recursive=True)
        name = f"{folder}/{uuid.uuid4().hex}.parquet"
        with pq.ParquetWriter(name, source.arrow_schema, filesystem=self._files, compression="zstd") as writer:
            yield DayFile(name, writer)

    def read_file(self, name: str) -> pa.Table:
        """All rows of one file."""
        return pq.read_table(name, filesystem=self._files, partitioning=None)

    def read_pieces(self, name: str, columns: list[str] | None = None) -> Iterator[pa.Table]:
        """Rows of one file, piece by piece: a day may be larger than memory."""
        with self._files.open_input_file(name) as stream:
            for piece in pq.ParquetFile(stream).iter_batches(_PIECE_ROWS, columns=columns):
                yield pa.Table.from_batches([piece])

    def files_below(self, folder: str) -> list[str]:
        """Parquet files in a folder of Spark's, whatever is below it; what Spark overlooks is left out."""
        selector = fs.FileSelector(folder, allow_not_found=True, recursive=True)
        found = [info.path for info in self._files.get_file_info(selector) if info.is_file]
        hidden = ("_", ".")
        return sorted(
            path for path in found if path.endswith(".parquet") and not path.rsplit("/", 1)[1].startswith(hidden)
        )

    def replace_file(self, name: str, rows: pa.Table) -> None:
        """Give a file other rows, at once. A checksum of Hadoop's beside it speaks of the old ones and goes first."""
        folder, file = name.rsplit("/", 1)
        draft, checksum = f"{folder}/_{file}", f"{folder}/.{file}.crc"
        pq.write_table(rows, draft, filesystem=self._files, compression="zstd")
        if self.has(checksum):
            self._files.delete_file(checksum)
        self._files.move(draft, name)

    def has(self, name: str) -> bool:
        """Whether there is such a file or folder."""
        return bool(self._files.get_file_info(name).type != fs.FileType.NotFound)

    def remove_orphans(self, manifest: Manifest, tables: Iterable[str]) -> int:
        """Delete files no manifest names: what a killed run left and what a newer file replaced."""
        known = manifest.all_files()
        removed = 0
        for table in tables:
            selector = fs.FileSelector(table, allow_not_found=True, recursive=True)
            for found in self._files.get_file_info(selector):
                if found.is_file and found.path not in known:
                    self._files.delete_file(found.path)
                    removed += 1
        return removed
