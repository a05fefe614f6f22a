"""Topic `cart_events`: changes to carts."""

from datetime import datetime
from typing import Final, Literal, NamedTuple

from msgspec import Struct

from app.events.topics.declaration import (
    Category,
    Country,
    Identifier,
    Quantity,
    Retention,
    SessionId,
    SourceTopic,
    UserId,
)


class CartEvent(Struct, gc=False):
    """A change to a cart."""

    event_id: Identifier
    user_id: UserId
    session_id: SessionId
    timestamp: datetime
    product_id: Identifier
    action: Literal["add", "remove", "checkout"]
    quantity: Quantity
    category: Category | None = None
    country: Country | None = None


class CartEventRow(NamedTuple):
    """A change to a cart."""

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


def to_row(event: CartEvent, timestamp: datetime, offset: int) -> tuple[CartEventRow, bool]:
    """The change's row."""
    row = CartEventRow(
        event.event_id,
        event.user_id,
        event.session_id,
        timestamp,
        event.product_id,
        event.action,
        event.quantity,
        event.category,
        event.country,
        offset,
    )
    return row, False


TOPIC: Final = SourceTopic(
    name="cart_events",
    purpose="changes to carts",
    event=CartEvent,
    row=CartEventRow,
    to_row=to_row,
    record_key="user_id",
    identity=("event_id",),
    retention=Retention.RAW,
    archived=True,
)
