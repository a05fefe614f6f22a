"""The fields of each topic's events, how each is read from JSON, and the identity of an event.

Written from the contract alone, field by field; it shares no code with the worker.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from app.reconcile.stream.amounts import is_number
from app.reconcile.stream.timestamps import BadTimestampError, parse_timestamp
from app.topics import CART_EVENTS, PRODUCT_VIEWS, SYSTEM_METRICS, TRANSACTIONS

INVALID_FIELD: Final = "invalid_field"
MAX_QUANTITY: Final = 1_000_000
ACTIONS: Final = ("add", "remove", "checkout")


class RejectedError(ValueError):
    """The record is a dead letter; `reason` is that of the contract."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


Reader = Callable[[Any], Any]
ABSENT: Final = object()


@dataclass(frozen=True, slots=True)
class Field:
    """A column, the reader of its JSON value, and the default if it is absent."""

    name: str
    read: Reader
    default: Any = ABSENT

    def value(self, document: Mapping[str, Any]) -> Any:
        """Reads the value from a JSON object; null in an optional field counts as absent."""
        value = document.get(self.name, ABSENT)
        if value is None and self.default is not ABSENT:
            return self.default
        if value is not ABSENT:
            return self.read(value)
        if self.default is ABSENT:
            raise RejectedError(INVALID_FIELD)
        return self.default


def _text(shortest: int, longest: int) -> Reader:
    def read(value: Any) -> str:
        if not isinstance(value, str) or is_number(value):
            raise RejectedError(INVALID_FIELD)
        if not shortest <= len(value) <= longest:
            raise RejectedError(INVALID_FIELD)
        return value

    return read


def _quantity(value: Any) -> int:
    """Reads an integer without fraction: `1.0` is invalid, as msgspec decides for an `int`."""
    digits = value if is_number(value) and len(value) <= 7 else ""
    if not digits.isdigit() or not 1 <= int(digits) <= MAX_QUANTITY:
        raise RejectedError(INVALID_FIELD)
    return int(digits)


def _action(value: Any) -> str:
    if is_number(value) or value not in ACTIONS:
        raise RejectedError(INVALID_FIELD)
    return str(value)


def _measurement(value: Any) -> float:
    number = float(value) if is_number(value) else math.nan
    if not math.isfinite(number):
        raise RejectedError(INVALID_FIELD)
    return number


def _instant(value: Any) -> tuple[int, bool]:
    if not isinstance(value, str) or is_number(value):
        raise RejectedError(INVALID_FIELD)
    try:
        return parse_timestamp(value)
    except BadTimestampError:
        raise RejectedError(INVALID_FIELD) from None


def _unread(value: Any) -> Any:
    return value


_IDENTIFIER: Final = _text(1, 100)
_CATEGORY: Final = Field("category", _text(0, 100), None)
_COUNTRY: Final = Field("country", _text(0, 50), None)
_TIMESTAMP: Final = Field("timestamp", _instant)


def _identifiers(*names: str) -> tuple[Field, ...]:
    return tuple(Field(name, _IDENTIFIER) for name in names)


FIELDS: Final[Mapping[str, tuple[Field, ...]]] = {
    TRANSACTIONS: (
        *_identifiers("transaction_id", "user_id"),
        _TIMESTAMP,
        Field("total_amount", _unread),
        _CATEGORY,
        _COUNTRY,
        Field("payment_method", _text(0, 50), None),
        Field("quantity", _quantity, 1),
        Field("product_id", _IDENTIFIER, None),
        Field("session_id", _IDENTIFIER, None),
    ),
    PRODUCT_VIEWS: (
        *_identifiers("event_id", "user_id", "session_id"),
        _TIMESTAMP,
        *_identifiers("product_id"),
        _CATEGORY,
        _COUNTRY,
    ),
    CART_EVENTS: (
        *_identifiers("event_id", "user_id", "session_id"),
        _TIMESTAMP,
        *_identifiers("product_id"),
        Field("action", _action),
        Field("quantity", _quantity),
        _CATEGORY,
        _COUNTRY,
    ),
    SYSTEM_METRICS: (*_identifiers("host", "component", "metric"), _TIMESTAMP, Field("value", _measurement)),
}
COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    topic: tuple(field.name for field in fields) for topic, fields in FIELDS.items()
}
IDENTITY: Final[Mapping[str, tuple[str, ...]]] = {
    TRANSACTIONS: ("transaction_id",),
    PRODUCT_VIEWS: ("event_id",),
    CART_EVENTS: ("event_id",),
    SYSTEM_METRICS: ("host", "component", "metric", "timestamp"),
}
KEY_COLUMN: Final[Mapping[str, int]] = {
    topic: columns.index("host" if topic == SYSTEM_METRICS else "user_id") for topic, columns in COLUMNS.items()
}
