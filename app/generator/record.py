"""Records for Kafka, and the serialization of their parts."""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

JsonObject = dict[str, Any]


class Record(NamedTuple):
    """Bytes for a topic; `at_us` is the Kafka timestamp in microseconds."""

    topic: str
    key: bytes
    value: bytes | None
    at_us: int


def timestamp_text(at_us: int) -> str:
    """Formats microseconds since the epoch as RFC 3339 in UTC."""
    second, microsecond = divmod(at_us, 1_000_000)
    return f"{_second_text(second)}.{microsecond:06d}Z"


@lru_cache(maxsize=4096)
def _second_text(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def money(cents: int) -> orjson.Fragment:
    """Formats cents as a JSON number with two decimals."""
    return orjson.Fragment(money_text(cents))


def money_text(cents: int) -> str:
    """Formats non-negative cents as a decimal."""
    return f"{cents // 100}.{cents % 100:02d}"


def encode(fields: JsonObject) -> bytes:
    """Serializes a JSON object."""
    return orjson.dumps(fields)
