"""Topic `product_views`: views of product pages."""

from datetime import datetime
from typing import Final, NamedTuple

from msgspec import Struct

from app.events.topics.declaration import Category, Country, Identifier, Retention, SessionId, SourceTopic, UserId


class ProductViewEvent(Struct, gc=False):
    """A view of a product's page."""

    event_id: Identifier
    user_id: UserId
    session_id: SessionId
    timestamp: datetime
    product_id: Identifier
    category: Category | None = None
    country: Country | None = None


class ProductViewRow(NamedTuple):
    """A view of a product's page."""

    event_id: str
    user_id: str
    session_id: str
    timestamp: datetime
    product_id: str
    category: str | None
    country: str | None
    source_offset: int


def to_row(event: ProductViewEvent, timestamp: datetime, offset: int) -> tuple[ProductViewRow, bool]:
    """The view's row."""
    row = ProductViewRow(
        event.event_id,
        event.user_id,
        event.session_id,
        timestamp,
        event.product_id,
        event.category,
        event.country,
        offset,
    )
    return row, False


TOPIC: Final = SourceTopic(
    name="product_views",
    purpose="views of product pages",
    event=ProductViewEvent,
    row=ProductViewRow,
    to_row=to_row,
    record_key="user_id",
    identity=("event_id",),
    retention=Retention.RAW,
    archived=True,
)
