"""Kafka records for tests of decoding."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

KAFKA_MS = 1_772_366_400_000  # 2026-03-01T12:00:00Z


@dataclass
class Record:
    """A record as the consumer hands it on."""

    value: bytes | None
    key: bytes | None = b"ada"
    offset: int = 0
    timestamp: int = KAFKA_MS
    headers: Sequence[tuple[str, bytes | None]] = field(default_factory=list)


ORDER = {"transaction_id": "t1", "user_id": "ada", "timestamp": "2026-03-01T12:00:00Z", "total_amount": 19.99}


def order(**fields: Any) -> bytes:
    """A valid order as JSON with some fields changed; `...` leaves a field out."""
    return encoded(ORDER | fields)


def encoded(event: dict[str, Any]) -> bytes:
    """The event as JSON."""
    return json.dumps({name: value for name, value in event.items() if value is not ...}).encode()
