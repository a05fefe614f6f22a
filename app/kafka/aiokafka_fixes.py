"""Corrections of aiokafka's behaviour, each with its reason.

Coordinator: A new Kafka cluster creates its coordinators at the first request for one. aiokafka retries until there is
one and logs each attempt as an error, as if the first start of a worker had failed.

Header names that are not UTF-8: Kafka accepts such records, but aiokafka raises on every attempt to read one: it would
block its partition forever. Here the rest of the batch is read by aiokafka's slower reader in Python, which replaces
the invalid bytes.

Metadata requests: aiokafka's fetcher and sender repeat such a request at once: while no broker answers, thousands of
times a second, each with two lines in the log, on the same cores that a broker on this machine needs to start again.
"""

import asyncio
import logging
import struct
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from aiokafka.client import AIOKafkaClient
from aiokafka.consumer import fetcher
from aiokafka.errors import (
    BrokerResponseError,
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    kafka_errors,
)
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords

_OFFSET_AND_LENGTH: Final = struct.Struct(">qi")
_LOGGER: Final = "aiokafka.consumer.group_coordinator"
_MESSAGE: Final = "Group Coordinator Request failed"
_QUIET_SECONDS: Final = 15.0
_PAUSE_SECONDS: Final = 0.25


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


def wait_quietly_for_the_coordinator() -> None:
    """Installs the filter in this process, once."""
    logger = logging.getLogger(_LOGGER)
    if not any(isinstance(present, QuietWait) for present in logger.filters):
        logger.addFilter(QuietWait())


class QuietWait(logging.Filter):
    """Lowers a temporary error to INFO, for a limited time; `clock` returns seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._first = self._last = float("-inf")

    def filter(self, record: logging.LogRecord) -> bool:
        """Never drops a record."""
        if record.msg.startswith(_MESSAGE) and _is_temporary(record.args):
            now = self._clock()
            if now - self._last > _QUIET_SECONDS:
                self._first = now
            self._last = now
            if now - self._first <= _QUIET_SECONDS:
                record.msg = "Kafka has no coordinator for the group yet, retrying: %s"
                record.levelno, record.levelname = logging.INFO, logging.getLevelName(logging.INFO)
        return True


def _is_temporary(arguments: object) -> bool:
    """Whether a later attempt may succeed."""
    return any(
        isinstance(error, KafkaError) and error.retriable
        for error in (arguments if isinstance(arguments, tuple) else ())
    )


def back_off_after_failures(client: AIOKafkaClient) -> None:
    """Makes the client pause after a failed metadata request."""
    attempt = client._metadata_update

    async def update(cluster_metadata: Any, topics: Any) -> bool:
        if await attempt(cluster_metadata, topics):
            return True
        await asyncio.sleep(_PAUSE_SECONDS)
        return False

    client._metadata_update = update


class InvalidRecordError(BrokerResponseError):
    """The broker rejects the record, for example one without a key on a compacted topic."""

    errno = 87
    message = "INVALID_RECORD"
    description = "The record was refused by the broker."


#: A rejected record may fail the others in its batch, too.
RECORD_REFUSED: Final = (MessageSizeTooLargeError, RecordListTooLargeError, InvalidRecordError)


def register_invalid_record_error() -> None:
    """Registers the error code that aiokafka does not have and would report as unknown."""
    kafka_errors.setdefault(InvalidRecordError.errno, InvalidRecordError)
