"""A small stream written by hand, and what a faultless worker stores of it, also by hand."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from app.topics import CART_EVENTS, PRODUCT_VIEWS, SYSTEM_METRICS, TRANSACTIONS

NOON: Final = datetime(2025, 12, 1, 12, tzinfo=UTC)
KAFKA_TIME: Final = NOON + timedelta(hours=1)


@dataclass(frozen=True)
class Sent:
    """A record as sent, and what has to become of it.

    `fate` is stored, duplicate, conflicting, or the reason of a dead letter.
    """

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    fate: str


def at(seconds: float) -> datetime:
    """Event time so long after noon."""
    return NOON + timedelta(seconds=seconds)


class Script:
    """Collects records, giving each partition its offsets."""

    def __init__(self) -> None:
        self.records: list[Sent] = []

    def add(self, topic: str, partition: int, key: Any, value: Any, fate: str) -> None:
        offset = sum((r.topic, r.partition) == (topic, partition) for r in self.records)
        raw = json.dumps(value).encode() if isinstance(value, dict) else value
        key = key.encode() if isinstance(key, str) else key
        self.records.append(Sent(topic, partition, offset, key, raw, fate))

    def order(self, partition: int, fate: str, name: str, user: str, time: str, **more: Any) -> None:
        event = {"transaction_id": name, "user_id": user, "timestamp": time} | more
        self.add(TRANSACTIONS, partition, user, event, fate)


def _orders(script: Script) -> None:
    books = {"category": "Books", "country": "USA", "payment_method": "card"}
    day = "2025-12-01T"
    script.order(0, "stored", "t1", "u1", f"{day}12:00:00Z", total_amount="10.00", **books)
    script.order(0, "stored", "t2", "u1", f"{day}13:00:10+01:00", total_amount=9000, **books)
    script.order(0, "duplicate", "t1", "u1", f"{day}12:00:00Z", total_amount=10, **books)
    script.order(0, "conflicting", "t1", "u1", f"{day}12:00:00Z", total_amount=10.01, **books)
    script.add(TRANSACTIONS, 0, "u1", None, "empty_value")
    script.add(TRANSACTIONS, 0, "u1", b'{"total_amount": NaN}', "malformed_json")
    script.order(0, "stored", "t3", "u2", f"{day}12:20:00", total_amount=1.005, quantity=12)
    script.order(0, "stored", "t4", "u2", f"{day}12:05:00Z", total_amount=2.5, **books)
    for number in range(6):
        time = f"{day}12:30:{number * 5:02}Z"
        script.order(0, "stored", f"r{number}", "u3", time, total_amount=1, category="Toys")
    script.add(TRANSACTIONS, 0, None, script.records[0].value, "key_mismatch")
    script.order(0, "duplicate", "shared", "u1", f"{day}12:31:00Z", total_amount=5, **books)
    script.order(0, "future_timestamp", "t5", "u1", "2026-01-01T00:00:00Z", total_amount=5)
    script.order(1, "stored", "shared", "u1", f"{day}12:31:00Z", total_amount=5, **books)
    script.order(1, "stored", "t6", "u6", f"{day}12:00:30.5Z", total_amount=0, session_id="s6")
    script.order(1, "invalid_amount", "t7", "u6", f"{day}12:00:30Z", total_amount=-1)


def _others(script: Script) -> None:
    click = {"event_id": "e1", "user_id": "u1", "session_id": "s1", "product_id": "p1"}
    click |= {"timestamp": "2025-12-01T12:00:00Z"}
    cart = click | {"action": "add", "quantity": 2, "category": ""}
    load = {"host": "h1", "component": "cpu", "metric": "load", "timestamp": click["timestamp"]}
    script.add(PRODUCT_VIEWS, 0, "u1", click, "stored")
    script.add(PRODUCT_VIEWS, 0, "u1", click | {"timestamp": "2025-12-01T12:00:00"}, "duplicate")
    script.add(PRODUCT_VIEWS, 1, "u1", click | {"event_id": "a\0b"}, "nul_character")
    script.add(CART_EVENTS, 0, "u1", cart, "stored")
    script.add(CART_EVENTS, 0, "u1", cart | {"action": "buy"}, "invalid_field")
    script.add(SYSTEM_METRICS, 0, "h1", load | {"value": 0.1}, "stored")
    script.add(SYSTEM_METRICS, 0, "h1", load | {"value": 0.2}, "conflicting")


def script() -> list[Sent]:
    """Every record of the ledger's range, by topic and partition in offset order."""
    made = Script()
    _orders(made)
    _others(made)
    return made.records


#: transaction_id, user_id, time, amount, category, country, payment, quantity, product, session,
#: partition, offset.
TRANSACTION_ROWS: Final[list[tuple[Any, ...]]] = [
    ("t1", "u1", at(0), Decimal("10.00"), "Books", "USA", "card", 1, None, None, 0, 0),
    ("t2", "u1", at(10), Decimal("9000.00"), "Books", "USA", "card", 1, None, None, 0, 1),
    ("t3", "u2", at(1200), Decimal("1.01"), None, None, None, 12, None, None, 0, 6),
    ("t4", "u2", at(300), Decimal("2.50"), "Books", "USA", "card", 1, None, None, 0, 7),
    *((f"r{n}", "u3", at(1800 + 5 * n), Decimal(1), "Toys", None, None, 1, None, None, 0, 8 + n) for n in range(6)),
    ("shared", "u1", at(1860), Decimal("5.00"), "Books", "USA", "card", 1, None, None, 1, 0),
    ("t6", "u6", at(30.5), Decimal("0.00"), None, None, None, 1, None, "s6", 1, 1),
]

#: topic, partition, next_offset, watermark, consumed, stored, duplicates, conflicting,
#: dead_lettered, late, rounded, assumed_utc.
LEDGER_ROWS: Final[list[tuple[Any, ...]]] = [
    (TRANSACTIONS, 0, 17, at(1825), 17, 10, 3, 1, 4, 1, 1, 1),
    (TRANSACTIONS, 1, 3, at(1860), 3, 2, 0, 0, 1, 1, 0, 0),
    (PRODUCT_VIEWS, 0, 2, at(0), 2, 1, 1, 0, 0, 0, 0, 0),
    (PRODUCT_VIEWS, 1, 1, None, 1, 0, 0, 0, 1, 0, 0, 0),
    (CART_EVENTS, 0, 2, at(0), 2, 1, 0, 0, 1, 0, 0, 0),
    (SYSTEM_METRICS, 0, 2, at(0), 2, 1, 1, 1, 0, 0, 0, 0),
]

#: transaction_id, user_id, amount, score, type, description, event time, threshold.
ANOMALY_ROWS: Final[list[tuple[Any, ...]]] = [
    (
        "t2",
        "u1",
        Decimal("9000.00"),
        Decimal("1.8000"),
        "high_value",
        "High value transaction: $9000.00",
        at(10),
        Decimal("5000.00"),
    ),
    (
        "t3",
        "u2",
        Decimal("1.01"),
        Decimal("1.2000"),
        "unusual_quantity",
        "Unusual quantity: 12 items",
        at(1200),
        Decimal(10),
    ),
    (
        "r5",
        "u3",
        Decimal("1.00"),
        Decimal("1.2000"),
        "rapid_transactions",
        "Rapid transactions: 6 in 60 seconds",
        at(1825),
        Decimal(5),
    ),
]

#: transaction_id, severity, weight and so score, partition, offset, and of its reason name, measure and threshold.
JUDGED_ROWS: Final[list[tuple[Any, ...]]] = [
    ("t2", "high", 40, 0, 1, "High value", "9000.00", "5000.00"),
    ("t3", "medium", 30, 0, 6, "Unusual quantity", "12", "10"),
    ("r5", "medium", 30, 0, 13, "Rapid transactions", "6", "5"),
]
