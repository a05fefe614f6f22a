"""Rows: decoded events in the shape and order in which they are copied to PostgreSQL."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from app.events.rejections import DeadLetter


class TransactionRow(NamedTuple):
    """An order; `amount_cents` becomes NUMERIC(12, 2) in the database."""

    transaction_id: str
    user_id: str
    timestamp: datetime
    amount_cents: int
    category: str | None
    country: str | None
    payment_method: str | None
    quantity: int
    product_id: str | None
    session_id: str | None
    source_offset: int


class ProductViewRow(NamedTuple):
    """A product page seen."""

    event_id: str
    user_id: str
    session_id: str
    timestamp: datetime
    product_id: str
    category: str | None
    country: str | None
    source_offset: int


class CartEventRow(NamedTuple):
    """A change of a cart."""

    event_id: str
    user_id: str
    session_id: str
    timestamp: datetime
    product_id: str
    action: str
    quantity: int
    category: str | None
    country: str | None
    source_offset: int


class SystemMetricRow(NamedTuple):
    """A measurement of a host."""

    host: str
    component: str
    metric: str
    timestamp: datetime
    value: float
    source_offset: int


class SourceRow(Protocol):
    """What every row has: the offset of its record, and its values one by one."""

    def __iter__(self) -> Iterator[Any]:
        """The values, in the order of the stage's columns."""

    @property
    def source_offset(self) -> int:
        """Offset of the record in its source partition."""


RowT = TypeVar("RowT", bound=SourceRow)


class SourceRecord(Protocol):
    """What decoding needs of a Kafka record; `timestamp` is in milliseconds."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None

    @property
    def headers(self) -> Sequence[tuple[str, bytes | None]]:
        """Name and value of each header; a producer may leave the value out."""


@dataclass(slots=True)
class DecodedRecords(Generic[RowT]):
    """Records of one chunk sorted out: rows with their instants side by side, and dead letters."""

    rows: list[RowT] = field(default_factory=list)
    timestamps_us: list[int] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    rounded_offsets: list[int] = field(default_factory=list)
    assumed_utc_offsets: list[int] = field(default_factory=list)
