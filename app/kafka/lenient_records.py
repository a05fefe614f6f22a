"""Reading records whose header names are not UTF-8.

Kafka takes such records from anybody, and aiokafka raises at them, at every attempt: one would stop its partition for
good. Here the batch is read on by aiokafka's slower reader in Python, with the bytes that are no text replaced.
"""

import struct
from collections.abc import Iterator
from typing import Any, Final

from aiokafka.consumer import fetcher
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords

_OFFSET_AND_LENGTH: Final = struct.Struct(">qi")


def accept_any_header_name() -> None:
    """Make aiokafka's consumers of this process read so; calling it again changes nothing."""
    fetcher.MemoryRecords = LenientRecords


class LenientRecords:
    """The batches of one fetched partition, as aiokafka's `MemoryRecords`."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._records = MemoryRecords(data)
        self.size_in_bytes = self._records.size_in_bytes
        self.has_next = self._records.has_next

    def next_batch(self) -> Any:
        """The next batch, None after the last."""
        batch = self._records.next_batch()
        return None if batch is None else _LenientBatch(batch, self._data)


class _LenientBatch:
    """A batch that goes on where a header name is no text."""

    def __init__(self, batch: Any, data: bytes) -> None:
        self._batch = batch
        self._data = data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __next__(self) -> Any:
        return next(self._batch)

    def __iter__(self) -> Iterator[Any]:
        reached = -1
        try:
            for record in self._batch:
                reached = record.offset
                yield record
        except UnicodeDecodeError:
            for record in _PythonBatch(_raw_batch(self._data, self._batch.base_offset)):
                if record.offset > reached:
                    yield record


class _PythonBatch(_DefaultRecordBatchPy):
    """Reads from a buffer that replaces what is no text."""

    _buffer: bytearray

    def __iter__(self) -> Any:
        super().__iter__()
        self._buffer = _Buffer(self._buffer)
        return self


class _Buffer(bytearray):
    """Its slices decode whatever they hold."""

    def __getitem__(self, place: Any) -> Any:
        found = super().__getitem__(place)
        return _Buffer(found) if isinstance(place, slice) else found

    def decode(self, encoding: str = "utf-8", errors: str = "replace") -> str:
        """Text, with a mark for what is none."""
        return super().decode(encoding, errors)


def _raw_batch(data: bytes, base_offset: int) -> bytes:
    """The bytes of the batch that begins at the offset."""
    place = 0
    while True:
        offset, length = _OFFSET_AND_LENGTH.unpack_from(data, place)
        end = place + _OFFSET_AND_LENGTH.size + length
        if offset == base_offset:
            return data[place:end]
        place = end
