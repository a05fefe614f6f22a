"""Why a record is refused: the reasons, in the order in which they are looked for."""

from enum import StrEnum
from typing import Final, NamedTuple

STAGE_DECODE: Final = "decode"
STAGE_SINK: Final = "sink"


class Reason(StrEnum):
    """Reasons of dead letters; the first that applies is the one given."""

    EMPTY_VALUE = "empty_value"
    MALFORMED_JSON = "malformed_json"
    INVALID_FIELD = "invalid_field"
    INVALID_AMOUNT = "invalid_amount"
    NUL_CHARACTER = "nul_character"
    KEY_MISMATCH = "key_mismatch"
    IMPLAUSIBLE_TIMESTAMP = "implausible_timestamp"
    NO_KAFKA_TIMESTAMP = "no_kafka_timestamp"
    FUTURE_TIMESTAMP = "future_timestamp"
    BEYOND_RETENTION = "beyond_retention"
    REJECTED_BY_DATABASE = "rejected_by_database"


class RejectedRecord(Exception):  # noqa: N818 - it ends a record's way, it is no error of ours
    """A record breaks the contract; carries the reason and what exactly is wrong."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class DeadLetter(NamedTuple):
    """A refused record with its raw bytes; `kafka_time_ms` is the record's own timestamp.

    `erased`: the bytes are gone, because they named a user who was erased.
    """

    offset: int
    key: bytes | None
    value: bytes | None
    reason: Reason
    detail: str
    stage: str
    kafka_time_ms: int
    erased: bool = False
