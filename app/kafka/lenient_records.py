"""Reads records whose header names are not UTF-8.

Kafka accepts such records, but aiokafka raises on every attempt to read one: it would block its partition forever.
Here the rest of the batch is read by aiokafka's slower reader in Python, which replaces the invalid bytes.
"""

import struct
from collections.abc import Iterator
from typing import Any, Final

from aiokafka.consumer import fetcher
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords

_OFFSET_AND_LENGTH: Final = struct.Struct(">qi")


def accept_any_header_name() -> None:
    """Makes all aiokafka consumers of this process use `LenientRecords`; idempotent."""
    fetcher.MemoryRecords = LenientRecords


class LenientRecords:
    """The batches of one fetched partition, with the interface of aiokafka's `MemoryRecords`."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._records = MemoryRecords(data)
        self.size_in_bytes = self._records.size_in_bytes
        self.has_next = self._records.has_next

    def next_batch(self) -> Any:
        """Returns the next batch, None after the last."""
        batch = self._records.next_batch()
        return None if batch is None else _LenientBatch(batch, self._data)


class _LenientBatch:
    """A batch that continues after a header name that is not UTF-8."""

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
    """Reads from a buffer that replaces invalid UTF-8."""

    _buffer: bytearray

    def __iter__(self) -> Any:
        super().__iter__()
        self._buffer = _Buffer(self._buffer)
        return self


class _Buffer(bytearray):
    """A buffer whose slices decode any bytes."""

    def __getitem__(self, place: Any) -> Any:
        found = super().__getitem__(place)
        return _Buffer(found) if isinstance(place, slice) else found

    def decode(self, encoding: str = "utf-8", errors: str = "replace") -> str:
        """Decodes with replacement characters for invalid bytes."""
        return super().decode(encoding, errors)


def _raw_batch(data: bytes, base_offset: int) -> bytes:
    """Returns the bytes of the batch that begins at the offset."""
    place = 0
    while True:
        offset, length = _OFFSET_AND_LENGTH.unpack_from(data, place)
        end = place + _OFFSET_AND_LENGTH.size + length
        if offset == base_offset:
            return data[place:end]
        place = end
