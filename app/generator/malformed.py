"""Ways to spoil an event so that the pipeline must refuse it.

Each kind takes the finished fields, the key and the time limits, and returns the key and the
value to send. `MALFORMED` is the table of all kinds with the topics they can happen on.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Final

import orjson

from app.generator.record import JsonObject, encode, timestamp_text
from app.topics import CART_EVENTS, PRODUCT_VIEWS, SOURCE_TOPICS, SYSTEM_METRICS, TRANSACTIONS

Spoiled = tuple[bytes, bytes | None]
#: Required fields a spoiler may drop or mistype; the key's field stays, so the reason is clear.
_REQUIRED: Final = {
    TRANSACTIONS: ("transaction_id", "timestamp", "total_amount"),
    PRODUCT_VIEWS: ("event_id", "session_id", "timestamp", "product_id"),
    CART_EVENTS: ("event_id", "session_id", "timestamp", "product_id", "action", "quantity"),
    SYSTEM_METRICS: ("component", "metric", "value", "timestamp"),
}
_TEXT: Final = {
    TRANSACTIONS: ("transaction_id", "product_id", "category", "payment_method"),
    PRODUCT_VIEWS: ("event_id", "session_id", "product_id", "category"),
    CART_EVENTS: ("event_id", "session_id", "product_id", "category"),
    SYSTEM_METRICS: ("component", "metric"),
}
_DAY_US: Final = 86_400_000_000


@dataclass(frozen=True, slots=True)
class Spoil:
    """One event to spoil: its fields may be changed; times are in microseconds."""

    topic: str
    fields: JsonObject
    key: bytes
    record_us: int
    future_tolerance_us: int
    rng: Random

    def with_field(self, name: str, value: object) -> Spoiled:
        """Return the event with one field replaced."""
        self.fields[name] = value
        return self.key, encode(self.fields)


def _broken_json(spoil: Spoil) -> Spoiled:
    value = encode(spoil.fields)
    return spoil.key, value[: spoil.rng.randrange(1, len(value))]


def _not_an_object(spoil: Spoil) -> Spoiled:
    return spoil.key, spoil.rng.choice((b"null", b"[1,2,3]", b'"order"', b"42"))


def _missing_field(spoil: Spoil) -> Spoiled:
    del spoil.fields[spoil.rng.choice(_REQUIRED[spoil.topic])]
    return spoil.key, encode(spoil.fields)


def _wrong_type(spoil: Spoil) -> Spoiled:
    name = spoil.rng.choice(_REQUIRED[spoil.topic])
    return spoil.with_field(name, spoil.rng.choice((True, ["x"], {"x": 1})))


def _bad_timestamp(spoil: Spoil) -> Spoiled:
    text = spoil.rng.choice(("yesterday", "2025-13-45T99:99:99Z", "", "01/02/2025 10:00"))
    return spoil.with_field("timestamp", text)


def _future_timestamp(spoil: Spoil) -> Spoiled:
    ahead_us = spoil.future_tolerance_us + 60_000_000 + spoil.rng.randrange(_DAY_US)
    return spoil.with_field("timestamp", timestamp_text(spoil.record_us + ahead_us))


def _ancient_timestamp(spoil: Spoil) -> Spoiled:
    """Times that only a clock or a program without one can have."""
    texts = ("0001-01-01T00:00:00-05:00", "0025-11-29T10:00:00Z", "1582-10-10T12:00:00Z")
    return spoil.with_field("timestamp", spoil.rng.choice((*texts, "1899-12-30T00:00:00Z")))


def _nul_character(spoil: Spoil) -> Spoiled:
    name = spoil.rng.choice(_TEXT[spoil.topic])
    return spoil.with_field(name, f"{spoil.fields[name]}\0")


def _too_long(spoil: Spoil) -> Spoiled:
    name = spoil.rng.choice(_TEXT[spoil.topic])
    return spoil.with_field(name, "x" * spoil.rng.randrange(101, 400))


def _invalid_utf8(spoil: Spoil) -> Spoiled:
    return spoil.key, encode(spoil.fields).replace(b'":"', b'":"\xff\xfe', 1)


def _wrong_key(spoil: Spoil) -> Spoiled:
    return b"not-" + spoil.key, encode(spoil.fields)


def _empty_value(spoil: Spoil) -> Spoiled:
    return spoil.key, b""


def _no_value(spoil: Spoil) -> Spoiled:
    return spoil.key, None


def _not_a_number(spoil: Spoil) -> Spoiled:
    name = "value" if spoil.topic == SYSTEM_METRICS else "total_amount"
    text = spoil.rng.choice((b"NaN", b"Infinity", b"-Infinity"))
    return spoil.with_field(name, orjson.Fragment(text))


def _negative_amount(spoil: Spoil) -> Spoiled:
    amount = f"-{spoil.rng.randrange(1, 500)}.{spoil.rng.randrange(1, 100):02d}"
    return spoil.with_field("total_amount", orjson.Fragment(amount))


def _huge_amount(spoil: Spoil) -> Spoiled:
    return spoil.with_field("total_amount", orjson.Fragment(b"10000000000.00"))


def _bad_quantity(spoil: Spoil) -> Spoiled:
    return spoil.with_field("quantity", spoil.rng.choice((0, -1, 1_000_001, 1.5, "two")))


def _unknown_action(spoil: Spoil) -> Spoiled:
    return spoil.with_field("action", spoil.rng.choice(("wish", "ADD", "")))


Spoiler = Callable[[Spoil], Spoiled]
_EVERYWHERE: Final = SOURCE_TOPICS

MALFORMED: Final[dict[str, tuple[Spoiler, tuple[str, ...]]]] = {
    "broken_json": (_broken_json, _EVERYWHERE),
    "not_an_object": (_not_an_object, _EVERYWHERE),
    "missing_field": (_missing_field, _EVERYWHERE),
    "wrong_type": (_wrong_type, _EVERYWHERE),
    "bad_timestamp": (_bad_timestamp, _EVERYWHERE),
    "future_timestamp": (_future_timestamp, _EVERYWHERE),
    "ancient_timestamp": (_ancient_timestamp, _EVERYWHERE),
    "nul_character": (_nul_character, _EVERYWHERE),
    "too_long": (_too_long, _EVERYWHERE),
    "invalid_utf8": (_invalid_utf8, _EVERYWHERE),
    "wrong_key": (_wrong_key, _EVERYWHERE),
    "empty_value": (_empty_value, _EVERYWHERE),
    "no_value": (_no_value, _EVERYWHERE),
    "not_a_number": (_not_a_number, (TRANSACTIONS, SYSTEM_METRICS)),
    "negative_amount": (_negative_amount, (TRANSACTIONS,)),
    "huge_amount": (_huge_amount, (TRANSACTIONS,)),
    "bad_quantity": (_bad_quantity, (TRANSACTIONS, CART_EVENTS)),
    "unknown_action": (_unknown_action, (CART_EVENTS,)),
}


def malformed_kinds(topic: str) -> tuple[str, ...]:
    """Return the kinds that can happen on a topic."""
    return tuple(kind for kind, (_, topics) in MALFORMED.items() if topic in topics)
