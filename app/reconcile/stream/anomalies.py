"""The three anomaly rules, event by event in offset order, from one partition's accepted orders."""

from bisect import bisect_right, insort
from collections import defaultdict
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

from app.reconcile.stream.expected_store import Anomaly
from app.reconcile.stream.fields import COLUMNS
from app.reconcile.stream.timestamps import SECOND_US
from app.settings import AnomalySettings
from app.topics import TRANSACTIONS

MINUTE_US: Final = 60 * SECOND_US
_SCORE: Final = Decimal("0.0001")


class AnomalyRules:
    """Keeps every accepted time of every user of one partition: a naive list that never expires."""

    def __init__(self, settings: AnomalySettings) -> None:
        self._settings = settings
        self._times_us: defaultdict[str, list[int]] = defaultdict(list)

    def evaluate(self, values: tuple[object, ...]) -> list[Anomaly]:
        """Returns the anomalies of the next accepted order; `values` in the order of COLUMNS[transactions]."""
        order = dict(zip(COLUMNS[TRANSACTIONS], values, strict=True))
        amount, quantity = order["total_amount"], order["quantity"]
        assert isinstance(amount, Decimal) and isinstance(quantity, int)
        rapid = self._count_recent(str(order["user_id"]), order["timestamp"])
        limits, found = self._settings, []
        if amount > limits.high_value:
            text = f"High value transaction: ${amount:.2f}"
            found.append(_anomaly(order, "high_value", amount, limits.high_value, text))
        if quantity >= limits.unusual_quantity:
            text = f"Unusual quantity: {quantity} items"
            limit = Decimal(limits.unusual_quantity)
            found.append(_anomaly(order, "unusual_quantity", Decimal(quantity), limit, text))
        if rapid > limits.rapid_transactions:
            text = f"Rapid transactions: {rapid} in 60 seconds"
            limit = Decimal(limits.rapid_transactions)
            found.append(_anomaly(order, "rapid_transactions", Decimal(rapid), limit, text))
        return found

    def _count_recent(self, user: str, time_us: object) -> int:
        """Counts the user's orders in (t - 60 s, t] so far, this one included."""
        assert isinstance(time_us, int)
        times = self._times_us[user]
        insort(times, time_us)
        return bisect_right(times, time_us) - bisect_right(times, time_us - MINUTE_US)


def _anomaly(order: dict[str, object], kind: str, figure: Decimal, threshold: Decimal, description: str) -> Anomaly:
    score = (figure / threshold).quantize(_SCORE, rounding=ROUND_HALF_UP)
    time_us = order["timestamp"]
    assert isinstance(time_us, int)
    return Anomaly(
        str(order["transaction_id"]),
        kind,
        str(order["user_id"]),
        str(order["total_amount"]),
        str(score),
        description,
        time_us,
        str(threshold),
    )
