"""Errors by which a broker permanently rejects a record, however often it is sent."""

from typing import Final

from aiokafka.errors import BrokerResponseError, MessageSizeTooLargeError, RecordListTooLargeError, kafka_errors


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
