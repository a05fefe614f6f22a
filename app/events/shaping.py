"""The row of an event, one function per topic; each also tells whether an amount was rounded."""

import math
from datetime import datetime

from app.domain.money import AmountError, parse_cents
from app.events.rejections import Reason, RejectedRecord
from app.events.rows import CartEventRow, ProductViewRow, SystemMetricRow, TransactionRow
from app.events.schemas import CartEvent, ProductViewEvent, SystemMetricEvent, TransactionEvent


def shape_transaction(event: TransactionEvent, timestamp: datetime, offset: int) -> tuple[TransactionRow, bool]:
    """The order's row; raises RejectedRecord for an amount that is none."""
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
        offset,
    )
    return row, rounded


def shape_product_view(event: ProductViewEvent, timestamp: datetime, offset: int) -> tuple[ProductViewRow, bool]:
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


def shape_cart_event(event: CartEvent, timestamp: datetime, offset: int) -> tuple[CartEventRow, bool]:
    """The cart event's row."""
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


def shape_system_metric(event: SystemMetricEvent, timestamp: datetime, offset: int) -> tuple[SystemMetricRow, bool]:
    """The measurement's row; raises RejectedRecord for a value that is not finite."""
    if not math.isfinite(event.value):
        raise RejectedRecord(Reason.INVALID_FIELD, "value is not a finite number")
    row = SystemMetricRow(event.host, event.component, event.metric, timestamp, event.value, offset)
    return row, False
