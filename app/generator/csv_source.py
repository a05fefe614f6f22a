"""Orders of a file as a source of records."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from app.domain.money import decimal_from_cents
from app.generator.counts import Counts
from app.generator.csv_spool import Spool, SpooledOrder
from app.generator.record import Record, timestamp_text
from app.topics import TRANSACTIONS

_NEVER_US: Final = 1 << 62


class CsvSource:
    """Plays orders by their time; their timestamps stay as they are.

    What has become older than the retention by the time it is its turn is not sent: the workers would refuse it.
    """

    def __init__(self, spool: Spool, retention_us: int | None = None) -> None:
        self.counts = Counts()
        self.expired = 0
        self._spool = spool
        self._orders = spool.orders_by_time()
        self._retention_us = retention_us
        self._next = next(self._orders, None)
        self._cents = 0

    @property
    def next_us(self) -> int:
        """Time of the next order."""
        return self._next.at_us if self._next is not None else _NEVER_US

    @property
    def sent(self) -> int:
        """Orders handed out."""
        return self.counts.topics[TRANSACTIONS].produced

    @property
    def total(self) -> Decimal:
        """Sum of the orders handed out."""
        return decimal_from_cents(self._cents)

    def records(self, until_us: int, offset_us: int, record_us: int | None) -> Iterator[Record]:
        """Yield the orders before a time; they are history, so `offset_us` does not move them."""
        while (order := self._next) is not None and order.at_us < until_us:
            self._next = next(self._orders, None)
            if self._has_expired(order, record_us):
                self.expired += 1
                continue
            self.counts.topics[TRANSACTIONS].produced += 1
            self._cents += order.cents
            stamp = f',"timestamp":"{timestamp_text(order.at_us)}"}}'
            value = order.fields[:-1] + stamp.encode()
            at_us = order.at_us if record_us is None else record_us
            yield Record(TRANSACTIONS, order.user_id.encode(), value, at_us)

    def close(self) -> None:
        """Give the disk back."""
        self._spool.close()

    def _has_expired(self, order: SpooledOrder, record_us: int | None) -> bool:
        if self._retention_us is None or record_us is None:
            return False
        return order.at_us < record_us // 1_000 * 1_000 - self._retention_us
