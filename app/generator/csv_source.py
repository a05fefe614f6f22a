"""Orders of a file as a source of records."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Final

from app.generator.counts import Counts
from app.generator.csv_orders import CsvOrder
from app.generator.record import Record, encode, timestamp_text
from app.topics import TRANSACTIONS

_NEVER_US: Final = 1 << 62


class CsvSource:
    """Plays orders that are sorted by time; their timestamps stay as they are."""

    def __init__(self, orders: Sequence[CsvOrder]) -> None:
        self.counts = Counts()
        self._orders = orders
        self._times = [order.at_us for order in orders]
        self._next = 0

    @property
    def next_us(self) -> int:
        """Time of the next order."""
        return self._times[self._next] if self._next < len(self._times) else _NEVER_US

    def records(self, until_us: int, offset_us: int, record_us: int | None) -> Iterator[Record]:
        """Yield the orders before a time; they are history, so `offset_us` does not move them."""
        stop = bisect_left(self._times, until_us)
        while self._next < stop:
            order = self._orders[self._next]
            self._next += 1
            self.counts.topics[TRANSACTIONS].produced += 1
            value = encode({**order.fields, "timestamp": timestamp_text(order.at_us)})
            at_us = order.at_us if record_us is None else record_us
            yield Record(TRANSACTIONS, order.user_id.encode(), value, at_us)
