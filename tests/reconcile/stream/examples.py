"""Valid events of each topic, to be spoiled one field at a time."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from app.kafka.reader import Record
from app.reconcile.stream.record_validation import Rules
from app.topics import CART_EVENTS, PRODUCT_VIEWS, SYSTEM_METRICS, TRANSACTIONS

TIME: Final = "2025-12-01T12:00:00Z"
TIME_MS: Final = int(datetime(2025, 12, 1, 12, tzinfo=UTC).timestamp()) * 1000
RULES: Final = Rules(future_tolerance_seconds=300, retention_days=None)

_CLICK: Final = {"event_id": "e1", "user_id": "u1", "session_id": "s1", "timestamp": TIME, "product_id": "p1"}
VALID: Final[Mapping[str, Mapping[str, Any]]] = {
    TRANSACTIONS: {"transaction_id": "t1", "user_id": "u1", "timestamp": TIME, "total_amount": 10.5},
    PRODUCT_VIEWS: _CLICK,
    CART_EVENTS: _CLICK | {"action": "add", "quantity": 1},
    SYSTEM_METRICS: {"host": "h1", "component": "cpu", "metric": "load", "value": 0.5, "timestamp": TIME},
}
KEYS: Final[Mapping[str, bytes]] = dict.fromkeys(VALID, b"u1") | {SYSTEM_METRICS: b"h1"}


def encode(topic: str, **changes: Any) -> bytes:
    """The valid event with fields changed, or left out where the change is Ellipsis."""
    fields = {name: value for name, value in {**VALID[topic], **changes}.items() if value is not ...}
    return json.dumps(fields, ensure_ascii=False).encode("utf-8", "surrogatepass")


def literal(topic: str, field: str, text: str) -> bytes:
    """The valid event with a field's value written exactly so."""
    marked = encode(topic, **{field: "MARK"})
    return marked.replace(b'"MARK"', text.encode("utf-8", "surrogatepass"))


def record(topic: str, value: bytes | None, key: bytes | None = None) -> Record:
    """A record with the topic's proper key unless another is given."""
    return Record(0, KEYS[topic] if key is None else key, value, TIME_MS)
