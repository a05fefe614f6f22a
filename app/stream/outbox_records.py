"""The outbox's two tables, and the Kafka records made of their rows."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import asyncpg
import orjson

from app.topics import ANOMALIES, DEAD_LETTERS

Headers = list[tuple[str, bytes]]


#: Header of an incomplete copy: the parts of the row that Kafka rejected, `value` or `key,value`.
LEFT_OUT_HEADER: Final = "left_out"
#: Header of a copy without its value: the size of the value.
VALUE_BYTES_HEADER: Final = "value_bytes"


@dataclass(frozen=True, slots=True)
class OutboxRecord:
    """A record for Kafka."""

    key: bytes | None
    value: bytes | None
    headers: Headers

    def reduced(self) -> "Iterator[tuple[str, OutboxRecord]]":
        """Yields smaller copies, the largest first, with the name of what is left out."""
        size = str(len(self.value or b"")).encode()
        for left_out, key in (("value", self.key), ("key,value", None)):
            headers = [*self.headers, (LEFT_OUT_HEADER, left_out.encode()), (VALUE_BYTES_HEADER, size)]
            yield left_out, OutboxRecord(key, b"", headers)


@dataclass(frozen=True, slots=True)
class OutboxStream:
    """A table whose rows are numbered and copied to the topic of the stream's name.

    `weight` is SQL for the size of a row in bytes, without its fixed-size columns.
    """

    name: str
    table: str
    to_copy: Callable[[asyncpg.Record], OutboxRecord]
    weight: str = "0"


def anomaly_copy(row: asyncpg.Record) -> OutboxRecord:
    """Converts the row to JSON with exact numbers; the key is `transaction_id:type`."""
    value = {
        "transaction_id": row["transaction_id"],
        "user_id": row["user_id"],
        "anomaly_type": row["anomaly_type"],
        "anomaly_score": orjson.Fragment(str(row["anomaly_score"])),
        "amount": orjson.Fragment(str(row["amount"])),
        "threshold": orjson.Fragment(str(row["threshold"])),
        "event_time": row["event_time"],
        "detected_at": row["detected_at"],
        "description": row["description"],
        "position": row["position"],
    }
    key = f"{row['transaction_id']}:{row['anomaly_type']}".encode()
    return OutboxRecord(key, orjson.dumps(value, option=orjson.OPT_UTC_Z), [])


def dead_letter_copy(row: asyncpg.Record) -> OutboxRecord:
    """Copies the raw bytes; their origin and the reason of the rejection are in the headers.

    A record needs a key or a value: one without both is copied with an empty value.
    """
    headers = {
        "source_topic": row["source_topic"],
        "source_partition": str(row["source_partition"]),
        "source_offset": str(row["source_offset"]),
        "reason": row["reason"],
        "stage": row["stage"],
        "time": row["created_at"].isoformat(),
    }
    encoded = [(name, text.encode()) for name, text in headers.items()]
    key, value = row["key"], row["value"]
    return OutboxRecord(key, b"" if key is value is None else value, encoded)


STREAMS: Final = (
    OutboxStream(ANOMALIES, "transaction_anomalies", anomaly_copy),
    OutboxStream(
        DEAD_LETTERS,
        "dead_letters",
        dead_letter_copy,
        "coalesce(octet_length(key), 0) + coalesce(octet_length(value), 0)",
    ),
)
