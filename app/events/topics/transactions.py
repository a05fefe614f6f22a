"""Topic `transactions`: orders."""

from datetime import datetime
from typing import Annotated, Final, NamedTuple

from msgspec import Meta, Struct

from app.domain.money import AmountError, parse_cents
from app.events.rejections import Reason, RejectedRecord
from app.events.topics.declaration import (
    Amount,
    Category,
    Country,
    Fingerprint,
    Identifier,
    Quantity,
    Retention,
    SessionId,
    SourceTopic,
    UserId,
)


class TransactionEvent(Struct, gc=False):
    """An order; `quantity` is 1 if absent."""

    transaction_id: Identifier
    user_id: UserId
    timestamp: datetime
    total_amount: Amount
    category: Category | None = None
    country: Country | None = None
    payment_method: Annotated[str, Meta(max_length=50)] | None = None
    quantity: Quantity | None = None
    product_id: Identifier | None = None
    session_id: SessionId | None = None
    card: Fingerprint | None = None
    device: Fingerprint | None = None
    ip: Fingerprint | None = None
    email: Fingerprint | None = None


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
    card: str | None
    device: str | None
    ip: str | None
    email: str | None
    source_offset: int


def to_row(event: TransactionEvent, timestamp: datetime, offset: int) -> tuple[TransactionRow, bool]:
    """The order's row; raises RejectedRecord for an invalid amount."""
    try:
        cents, rounded = parse_cents(bytes(event.total_amount))
    except AmountError as error:
        raise RejectedRecord(Reason.INVALID_AMOUNT, f"total_amount: {error}") from None
    quantity = 1 if event.quantity is None else event.quantity
    row = TransactionRow(
        event.transaction_id,
        event.user_id,
        timestamp,
        cents,
        event.category,
        event.country,
        event.payment_method,
        quantity,
        event.product_id,
        event.session_id,
        event.card,
        event.device,
        event.ip,
        event.email,
        offset,
    )
    return row, rounded


TOPIC: Final = SourceTopic(
    name="transactions",
    purpose="orders",
    event=TransactionEvent,
    row=TransactionRow,
    to_row=to_row,
    record_key="user_id",
    identity=("transaction_id",),
    retention=Retention.ORDERS,
    archived=True,
)
