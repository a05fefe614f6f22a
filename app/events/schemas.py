"""Shapes of the events on the source topics, exactly as they travel in JSON.

Unknown fields are ignored; null in an optional field counts as absent. Lengths count characters.
`total_amount` and `timestamp` need rules of their own
(exact cents, offsets) and are taken apart in `app.events.decoding`.
"""

from datetime import datetime
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

MAX_QUANTITY: Final = 1_000_000

Identifier = Annotated[str, Meta(min_length=1, max_length=100)]
Category = Annotated[str, Meta(max_length=100)]
Country = Annotated[str, Meta(max_length=50)]
PaymentMethod = Annotated[str, Meta(max_length=50)]
Quantity = Annotated[int, Meta(ge=1, le=MAX_QUANTITY)]


class TransactionEvent(Struct, gc=False):
    """An order; key = `user_id`. `total_amount` is a JSON number or a decimal string, `quantity` 1 if absent."""

    transaction_id: Identifier
    user_id: Identifier
    timestamp: datetime
    total_amount: msgspec.Raw
    category: Category | None = None
    country: Country | None = None
    payment_method: PaymentMethod | None = None
    quantity: Quantity | None = None
    product_id: Identifier | None = None
    session_id: Identifier | None = None


class ProductViewEvent(Struct, gc=False):
    """A product page seen; key = `user_id`."""

    event_id: Identifier
    user_id: Identifier
    session_id: Identifier
    timestamp: datetime
    product_id: Identifier
    category: Category | None = None
    country: Country | None = None


class CartEvent(Struct, gc=False):
    """A change of a cart; key = `user_id`."""

    event_id: Identifier
    user_id: Identifier
    session_id: Identifier
    timestamp: datetime
    product_id: Identifier
    action: Literal["add", "remove", "checkout"]
    quantity: Quantity
    category: Category | None = None
    country: Country | None = None


class SystemMetricEvent(Struct, gc=False):
    """A measurement of a host; key = `host`."""

    host: Identifier
    component: Identifier
    metric: Identifier
    value: float
    timestamp: datetime
