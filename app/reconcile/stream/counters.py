"""Counts the records of one partition by outcome: the expected row of the ledger."""

from bisect import bisect_right, insort
from collections import Counter, defaultdict
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final

from app.reconcile.stream.expected_store import Anomaly, ExpectedStore
from app.reconcile.stream.json_values import SECOND_US
from app.reconcile.stream.validation import COLUMNS, Event
from app.settings import AnomalySettings
from app.topics import TRANSACTIONS

HIGH_VALUE: Final = "high_value"
UNUSUAL_QUANTITY: Final = "unusual_quantity"
RAPID_TRANSACTIONS: Final = "rapid_transactions"
ANOMALY_TYPES: Final = (HIGH_VALUE, UNUSUAL_QUANTITY, RAPID_TRANSACTIONS)
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
            found.append(_anomaly(order, HIGH_VALUE, amount, limits.high_value, text))
        if quantity >= limits.unusual_quantity:
            text = f"Unusual quantity: {quantity} items"
            limit = Decimal(limits.unusual_quantity)
            found.append(_anomaly(order, UNUSUAL_QUANTITY, Decimal(quantity), limit, text))
        if rapid > limits.rapid_transactions:
            text = f"Rapid transactions: {rapid} in 60 seconds"
            limit = Decimal(limits.rapid_transactions)
            found.append(_anomaly(order, RAPID_TRANSACTIONS, Decimal(rapid), limit, text))
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


class PartitionCounters:
    """Counters and watermark of a partition; accepted orders are passed to the ExpectedStore."""

    def __init__(self, topic: str, partition: int, lateness_seconds: int, anomaly: AnomalySettings) -> None:
        self.counters: Counter[str] = Counter()
        self.watermark_us: int | None = None
        self.deleted = 0
        self._topic = topic
        self._partition = partition
        self._lateness_us = lateness_seconds * SECOND_US
        self._rules = AnomalyRules(anomaly)
        self._orders: list[tuple[int, int, str | None, str | None, int]] = []
        self._anomalies: list[Anomaly] = []

    def accept(self, event: Event) -> None:
        """Counts the next event in offset order that is stored."""
        self.counters["stored"] += 1
        self.counters["rounded"] += event.rounded
        self.counters["assumed_utc"] += event.assumed_utc
        self._advance(event.time_us)
        if self._topic == TRANSACTIONS:
            self._add_order(event)

    def note_deleted(self) -> None:
        """Counts that the next accepted event has no row because retention has deleted it."""
        self.deleted += 1

    def raise_watermark(self, time_us: int) -> None:
        """Raises the watermark to the time of an event that was deleted in both stores."""
        self.watermark_us = max(self.watermark_us or time_us, time_us)

    def reject(self) -> None:
        """Counts the next record as a dead letter."""
        self.counters["dead_lettered"] += 1

    def repeat(self, *, conflicting: bool) -> None:
        """Counts the next record as a duplicate of a stored event, `conflicting` if its content differs."""
        self.counters["duplicates"] += 1
        self.counters["conflicting"] += conflicting

    def flush(self, expected_store: ExpectedStore) -> None:
        """Passes the accepted orders and their anomalies to the ExpectedStore."""
        expected_store.accept(self._orders)
        expected_store.raise_anomalies(self._anomalies)
        self._orders.clear()
        self._anomalies.clear()

    def _advance(self, time_us: int) -> None:
        if self.watermark_us is None or time_us > self.watermark_us:
            self.watermark_us = time_us
        elif self.watermark_us - time_us > self._lateness_us:
            self.counters["late"] += 1

    def _add_order(self, event: Event) -> None:
        order: dict[str, Any] = dict(zip(COLUMNS[TRANSACTIONS], event.values, strict=True))
        self._orders.append(
            (
                self._partition,
                event.time_us,
                order["category"],
                order["country"],
                int(Decimal(order["total_amount"]).scaleb(2)),
            )
        )
        self._anomalies.extend(self._rules.evaluate(event.values))
