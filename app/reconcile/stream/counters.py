"""Counts the records of one partition by outcome: the expected row of the ledger."""

from collections import Counter
from decimal import Decimal
from typing import Any

from app.reconcile.stream.anomalies import AnomalyRules
from app.reconcile.stream.expected_store import Anomaly, ExpectedStore
from app.reconcile.stream.fields import COLUMNS
from app.reconcile.stream.timestamps import SECOND_US
from app.reconcile.stream.validation import Event
from app.settings import AnomalySettings
from app.topics import TRANSACTIONS


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
