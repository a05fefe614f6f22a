"""What a broker may say of a record that it will say of it for ever, however often it is sent."""

from typing import Final

from aiokafka.errors import BrokerResponseError, MessageSizeTooLargeError, RecordListTooLargeError, kafka_errors


class InvalidRecordError(BrokerResponseError):
    """The broker takes no such record, for example one without a key on a topic that compacts."""

    errno = 87
    message = "INVALID_RECORD"
    description = "The record was refused by the broker."


#: One record refused may bring down those that share its batch.
RECORD_REFUSED: Final = (MessageSizeTooLargeError, RecordListTooLargeError, InvalidRecordError)


def know_invalid_records() -> None:
    """Teach aiokafka the one code of these it has no name for, and would call unknown."""
    kafka_errors.setdefault(InvalidRecordError.errno, InvalidRecordError)
