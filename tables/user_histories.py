"""What is remembered of users' orders in one partition: a cache of PostgreSQL for rules that look far back.

A history is complete above a moment of its own. What is not remembered is read again, so that forgetting changes no
verdict: users who have not come back go first. Of most users totals are enough: they bound what any window can hold,
so they show that a rule is not raised, in a twentieth of the memory and without reading an order.
"""

from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, Final, NamedTuple

#: Orders remembered per partition; some 200 bytes each.
REMEMBERED_ORDERS: Final = 20_000
#: Users of whom totals are remembered per partition; some 300 bytes each.
REMEMBERED_TOTALS: Final = 20_000
#: The least amount of no orders.
NO_ORDER_CENTS: Final = 2**62
#: A history is cut when it has so many orders more than it needs.
_UNCUT: Final = 64


class PastOrder(NamedTuple):
    """An accepted order; `traits` are the values of the fields that rules compare. Orders sort by time, then offset."""

    timestamp_us: int
    offset: int
    cents: int
    traits: tuple[str | None, ...] = ()


class UserHistory:
    """A user's orders with times above `since_us`, sorted; `cents` is the sum of their amounts.

    `sample` are the traits of one of them, `common` the places of those traits that are known to be the same in all.
    """

    __slots__ = ("came_back", "cents", "common", "orders", "sample", "since_us")

    def __init__(self, since_us: int, orders: Iterable[PastOrder] = ()) -> None:
        self.since_us = since_us
        self.orders = sorted(orders) if orders else []
        self.cents = sum(order.cents for order in self.orders) if orders else 0
        #: Whether an order followed another since it was last looked at for room.
        self.came_back = False
        self.sample: tuple[str | None, ...] = self.orders[0].traits if orders and self.orders else ()
        self.common: tuple[int, ...] = _places(len(self.sample))
        for order in self.orders:
            self._compare(order.traits)

    def add(self, order: PastOrder) -> bool:
        """Adds an order; one at or below `since_us` is not remembered. Returns whether it is."""
        timestamp_us, _, cents, traits = order
        if timestamp_us <= self.since_us:
            return False
        orders = self.orders
        self.cents += cents
        if not orders:
            orders.append(order)
            self.sample, self.common = traits, _places(len(traits))
            return True
        self.came_back = True
        if order > orders[-1]:
            orders.append(order)
        else:
            insort(orders, order)
        sample = self.sample
        for place in self.common:
            if traits[place] != sample[place]:
                self._compare(traits)
                break
        return True

    def _compare(self, traits: tuple[str | None, ...]) -> None:
        """Takes the places where an order has other traits from `common`."""
        self.common = tuple(place for place in self.common if traits[place] == self.sample[place])

    def window(self, timestamp_us: int, length_us: int) -> Sequence[PastOrder]:
        """Returns the orders in (t - length, t], sorted; not to be changed."""
        since_us, until = timestamp_us - length_us, self._until(timestamp_us)
        orders = self.orders
        if not until or orders[until - 1].timestamp_us <= since_us:
            return ()
        first = 0 if orders[0].timestamp_us > since_us else _place_after(orders, since_us, until)
        return orders if not first and until == len(orders) else orders[first:until]

    def count(self, timestamp_us: int, length_us: int) -> int:
        """Returns the number of orders in (t - length, t]."""
        since_us, until = timestamp_us - length_us, self._until(timestamp_us)
        orders = self.orders
        if not until or orders[until - 1].timestamp_us <= since_us:
            return 0
        return until if orders[0].timestamp_us > since_us else until - _place_after(orders, since_us, until)

    def _until(self, timestamp_us: int) -> int:
        """Returns the number of orders that are not later."""
        orders = self.orders
        if not orders or orders[-1].timestamp_us <= timestamp_us:
            return len(orders)
        return _place_after(orders, timestamp_us, len(orders))

    def forget(self, until_us: int) -> int:
        """Forgets the orders up to a time, if they are many; returns how many were forgotten."""
        if len(self.orders) <= _UNCUT or self.orders[_UNCUT].timestamp_us > until_us:
            return 0
        count = _place_after(self.orders, until_us, len(self.orders))
        self.cents -= sum(order.cents for order in self.orders[:count])
        del self.orders[:count]
        self.since_us = max(self.since_us, until_us)
        return count


class UserTotals:
    """Of a user's orders with times above `since_us`: their number, the sum of their amounts and the least of them.

    At the places in `common` no two orders are known to have different values; `sample` has what they have, None where
    they have none.
    """

    __slots__ = ("cents", "common", "count", "least_cents", "sample", "since_us")

    def __init__(
        self,
        since_us: int,
        count: int,
        cents: int,
        least_cents: int,
        sample: tuple[str | None, ...],
        common: tuple[int, ...],
    ) -> None:
        self.since_us = since_us
        self.count = count
        self.cents = cents
        self.least_cents = least_cents
        self.sample = sample
        self.common = common

    def add(self, timestamp_us: int, cents: int, traits: tuple[str | None, ...]) -> None:
        """Adds an order; one at or below `since_us` is not counted."""
        if timestamp_us <= self.since_us:
            return
        self.count += 1
        self.cents += cents
        if cents < self.least_cents:
            self.least_cents = cents
        if traits != self.sample and self.common:
            self._compare(traits)

    def _compare(self, traits: tuple[str | None, ...]) -> None:
        """Takes the places of another value from `common`; a first value becomes that of the sample."""
        sample = self.sample
        self.common = tuple(
            place for place in self.common if None in (traits[place], sample[place]) or traits[place] == sample[place]
        )
        if None in sample:
            pairs = zip(sample, traits, strict=True)
            self.sample = tuple(other if value is None else value for value, other in pairs)


def totals_of(history: UserHistory, since_us: int, traits: int) -> UserTotals:
    """Returns the totals of a history's orders above a time that it reaches back to; orders have so many traits."""
    totals = UserTotals(since_us, 0, 0, NO_ORDER_CENTS, (None,) * traits, _places(traits))
    for order in history.orders:
        totals.add(order.timestamp_us, order.cents, order.traits)
    return totals


def _place_after(orders: list[Any], timestamp_us: int, until: int) -> int:
    """Returns the place of the first of the first `until` orders that is later than a time.

    A tuple of a time alone comes before all orders of this time; so no function is called per comparison.
    """
    return bisect_left(orders, (timestamp_us + 1,), 0, until)


@cache
def _places(count: int) -> tuple[int, ...]:
    """Returns 0 to `count` - 1, in one tuple for all users."""
    return tuple(range(count))


class UserHistories:
    """Histories and totals by user, the next to be forgotten first; of no user there are both."""

    def __init__(self, limit: int = REMEMBERED_ORDERS, totals_limit: int = REMEMBERED_TOTALS) -> None:
        self._limit = limit
        self._totals_limit = totals_limit
        self._histories: OrderedDict[str, UserHistory] = OrderedDict()
        self.totals: OrderedDict[str, UserTotals] = OrderedDict()
        self._orders = 0
        #: Those with so many orders that some may be too old.
        self._large: list[UserHistory] = []
        self.traits: tuple[str, ...] = ()

    def __len__(self) -> int:
        return self._orders

    def remember(self, traits: tuple[str, ...]) -> None:
        """Says which fields are compared from now on; all is forgotten if they are others than before."""
        if traits != self.traits:
            self.forget()
            self.traits = traits

    def forget(self) -> None:
        """Forgets all: orders that are not added would be missing later."""
        self._histories.clear()
        self.totals.clear()
        self._large.clear()
        self._orders = 0

    def get(self, user_id: str) -> UserHistory | None:
        """Returns what is remembered of a user."""
        return self._histories.get(user_id)

    def get_all(self, user_ids: Iterable[str]) -> Sequence[UserHistory | None]:
        """Returns what is remembered of each user."""
        return list(map(self._histories.get, user_ids))

    def put(self, user_id: str, history: UserHistory) -> None:
        """Remembers a history that was read, in place of the former one or of totals."""
        self.totals.pop(user_id, None)
        former = self._histories.pop(user_id, None)
        self._orders += len(history.orders) + 1 - (len(former.orders) + 1 if former else 0)
        self._histories[user_id] = history

    def put_totals(self, user_id: str, totals: UserTotals) -> None:
        """Remembers totals that were read, in place of a history that does not reach back as far."""
        former = self._histories.pop(user_id, None)
        self._orders -= len(former.orders) + 1 if former else 0
        self.totals[user_id] = totals

    def add(self, history: UserHistory, order: PastOrder) -> None:
        """Adds an accepted order to one of the histories."""
        if history.add(order):
            self._orders += 1
            if len(history.orders) > _UNCUT:
                self._large.append(history)

    def settle(self, lookback_us: int, totals_us: int = 0) -> None:
        """Forgets what is older than twice the lookback, and users until the limits hold; called between chunks.

        With `totals_us` the totals of this time before a user's last order stay when the history goes.
        """
        for history in self._large:
            self._orders -= history.forget(history.orders[-1].timestamp_us - 2 * lookback_us)
        self._large.clear()
        histories = self._histories
        # The last one stays, whatever its size: an id with very many orders would be read again for every chunk.
        while self._orders > self._limit and len(histories) > 1:
            user_id, history = histories.popitem(last=False)
            if history.came_back:
                # Who came back stays for another round.
                history.came_back = False
                histories[user_id] = history
            else:
                self._orders -= len(history.orders) + 1
                if totals_us and history.orders:
                    since_us = max(history.since_us, history.orders[-1].timestamp_us - totals_us)
                    self.totals[user_id] = totals_of(history, since_us, len(self.traits))
        while len(self.totals) > self._totals_limit:
            self.totals.popitem(last=False)
