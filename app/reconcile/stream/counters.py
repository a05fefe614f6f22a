"""What became of each record of one partition: the recount's own ledger line."""

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
    """Counters and watermark of a partition; accepted orders go on to the expected_store."""

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
        """The next event in offset order that is stored."""
        self.counters["stored"] += 1
        self.counters["rounded"] += event.rounded
        self.counters["assumed_utc"] += event.assumed_utc
        self._advance(event.time_us)
        if self._topic == TRANSACTIONS:
            self._add_order(event)

    def note_deleted(self) -> None:
        """The event accepted next has no row, because retention has deleted it."""
        self.deleted += 1

    def raise_watermark(self, time_us: int) -> None:
        """A deleted row nobody can read any more may have carried this time."""
        self.watermark_us = max(self.watermark_us or time_us, time_us)

    def refuse(self) -> None:
        """The next record is a dead letter."""
        self.counters["dead_lettered"] += 1

    def repeat(self, *, conflicting: bool) -> None:
        """The next record repeats a stored event, `conflicting` with other content."""
        self.counters["duplicates"] += 1
        self.counters["conflicting"] += conflicting

    def flush(self, expected_store: ExpectedStore) -> None:
        """Hand the accepted orders and their anomalies over."""
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
        self._anomalies.extend(self._rules.judge(event.values))
