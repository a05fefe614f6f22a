"""Counts the records of one partition by outcome: the expected row of the ledger."""

from collections import Counter
from collections.abc import Collection
from decimal import Decimal
from typing import Any

from app.reconcile.stream.expected_store import ExpectedStore
from app.reconcile.stream.json_values import SECOND_US
from app.reconcile.stream.judged_again import JudgedAgain, Judgement, Order
from app.reconcile.stream.record_validation import COLUMNS, Event
from app.topics import TRANSACTIONS


class PartitionCounters:
    """Counters and watermark of a partition; accepted orders are judged and passed to the ExpectedStore.

    `pseudonyms` are those of all erased users.
    """

    def __init__(
        self,
        topic: str,
        partition: int,
        lateness_seconds: int,
        judge: JudgedAgain,
        pseudonyms: Collection[str] = frozenset(),
    ) -> None:
        self.counters: Counter[str] = Counter()
        self.watermark_us: int | None = None
        self.deleted = 0
        self._topic = topic
        self._partition = partition
        self._lateness_us = lateness_seconds * SECOND_US
        self._judge = judge
        self._pseudonyms = pseudonyms
        self._orders: list[tuple[int, int, str | None, str | None, int]] = []
        self._judgement = Judgement()

    def accept(self, event: Event, offset: int) -> None:
        """Counts the next event in offset order that is stored."""
        self.counters["stored"] += 1
        self.counters["rounded"] += event.rounded
        self.counters["assumed_utc"] += event.assumed_utc
        self._advance(event.time_us)
        if self._topic == TRANSACTIONS:
            self._add_order(event, offset)

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
        """Passes the accepted orders and what they raised to the ExpectedStore."""
        expected_store.accept(self._orders)
        expected_store.raise_anomalies(self._judgement.anomalies, self._judgement.shadows, self._judgement.verdicts)
        self._orders.clear()
        self._judgement = Judgement()

    def _advance(self, time_us: int) -> None:
        if self.watermark_us is None or time_us > self.watermark_us:
            self.watermark_us = time_us
        elif self.watermark_us - time_us > self._lateness_us:
            self.counters["late"] += 1

    def _add_order(self, event: Event, offset: int) -> None:
        order = _by_name(event.values)
        self._orders.append(
            (
                self._partition,
                event.time_us,
                order["category"],
                order["country"],
                int(Decimal(order["total_amount"]).scaleb(2)),
            )
        )
        sent = None if event.sent is None else _by_name(event.sent)
        if sent is None and order["user_id"] not in self._pseudonyms:
            sent = order
        judgement = self._judge.judge(Order(self._partition, offset, event.time_us, order, sent))
        self._judgement.anomalies += judgement.anomalies
        self._judgement.shadows += judgement.shadows
        self._judgement.verdicts += judgement.verdicts


def _by_name(values: tuple[Any, ...]) -> dict[str, Any]:
    return dict(zip(COLUMNS[TRANSACTIONS], values, strict=True))
