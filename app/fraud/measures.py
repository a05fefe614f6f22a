"""What each kind of rule measures: of an order alone, or of an order and its user's history.

Rules that count or sum the orders of a window are bounded by the user's totals: more orders never lower their measure.
"""

from collections.abc import Callable, Mapping, Sequence
from math import isqrt
from operator import attrgetter, mul
from typing import Any, Final, NamedTuple, TypeAlias

from app.domain.money import cents_of
from app.events.topics.transactions import TransactionRow
from app.fraud.rulebook import Rulebook
from app.fraud.rules import (
    Amount,
    AnyRule,
    CardTesting,
    Deviation,
    Distinct,
    Listed,
    NewCategory,
    NewCustomer,
    Quantity,
    Rule,
    Spend,
    Velocity,
)
from tables.user_histories import PastOrder, UserHistory, UserTotals

#: Compared with lists as they were sent: an erased user's orders are stored under other ones.
AS_SENT: Final = ("session_id", "card", "device", "ip", "email")
_cents: Final = attrgetter("cents")

#: Measure and, where it depends on the user's orders, the threshold in cents.
Measure: TypeAlias = tuple[int, int | None]
#: Measures an order against the user's history; None where the rule is not raised.
Measuring: TypeAlias = Callable[[PastOrder, UserHistory], Measure | None]
#: Whether an order of the user may raise the rule, by the user's totals, that order and all others included.
MayRaise: TypeAlias = Callable[[UserTotals], bool]


class Orders(NamedTuple):
    """Accepted orders of one partition in offset order, side by side.

    `sent` are the rows as they were sent: without an erasure the same. `recent` are the user's orders in (t - 60 s, t],
    empty where no rule of the minute asks.
    """

    rows: Sequence[TransactionRow]
    sent: Sequence[TransactionRow]
    timestamps_us: Sequence[int]
    recent: Sequence[int] = ()


def simple_measures(rule: AnyRule, rulebook: Rulebook, orders: Orders) -> list[tuple[int, int]]:
    """Returns place and measure of the orders that raise a rule which needs no history."""
    match rule:
        case Amount():
            limit = cents_of(rule.above)
            return [(n, row.amount_cents) for n, row in enumerate(orders.rows) if row.amount_cents > limit]
        case Quantity():
            return [(n, row.quantity) for n, row in enumerate(orders.rows) if row.quantity >= rule.at_least]
        case Velocity():
            return [(n, count) for n, count in enumerate(orders.recent) if count > rule.more_than]
        case Listed():
            return _on_list(rule, rulebook.lists.get(rule.list, {}), orders)
        case _:
            raise TypeError(f"{rule.kind} needs histories")


def _on_list(rule: Listed, entries: Mapping[str, int | None], orders: Orders) -> list[tuple[int, int]]:
    rows = orders.sent if rule.field in AS_SENT else orders.rows
    found = []
    for place, named in enumerate(map(attrgetter(rule.field), rows)):
        if named in entries:
            expires_us = entries[named]
            if expires_us is None or orders.timestamps_us[place] < expires_us:
                found.append((place, 1))
    return found


def _velocity(rule: Velocity, _: Sequence[str]) -> Measuring:
    most, lookback_us = rule.more_than, rule.lookback_us

    def measure(order: PastOrder, history: UserHistory) -> Measure | None:
        count = history.count(order.timestamp_us, lookback_us) + 1
        return (count, None) if count > most else None

    return measure


def _spend(rule: Spend, _: Sequence[str]) -> Measuring:
    limit, lookback_us = cents_of(rule.above), rule.lookback_us

    def measure(order: PastOrder, history: UserHistory) -> Measure | None:
        # All orders together cost no less than those of any window.
        if order.cents + history.cents <= limit:
            return None
        spent = order.cents
        for earlier in history.window(order.timestamp_us, lookback_us):
            spent += earlier.cents
        return (spent, None) if spent > limit else None

    return measure


def _distinct(rule: Distinct, traits: Sequence[str]) -> Measuring:
    place, least, lookback_us = traits.index(rule.field), rule.at_least, rule.lookback_us

    def measure(order: PastOrder, history: UserHistory) -> Measure | None:
        value = order.traits[place]
        if value is None:
            return None
        # Most users have one country and one card: no window of theirs has to be looked at.
        if place in history.common and (least > 2 or history.sample[place] in (None, value)):
            return None
        window = history.window(order.timestamp_us, lookback_us)
        if len(window) < least - 1:
            return None
        values = {earlier.traits[place] for earlier in window}
        values.add(value)
        values.discard(None)
        return (len(values), None) if len(values) >= least else None

    return measure


def _card_testing(rule: CardTesting, _: Sequence[str]) -> Measuring:
    limit = cents_of(rule.below)
    lookback_us = rule.lookback_us

    def measure(order: PastOrder, history: UserHistory) -> Measure | None:
        small = sum(earlier.cents < limit for earlier in history.window(order.timestamp_us, lookback_us))
        return (small, None) if small >= rule.at_least else None

    return measure


def _new_customer(rule: NewCustomer, _: Sequence[str]) -> Measuring:
    lookback_us = rule.lookback_us

    def measure(order: PastOrder, history: UserHistory) -> Measure | None:
        return None if history.window(order.timestamp_us, lookback_us) else (order.cents, None)

    return measure


def _deviation(rule: Deviation, _: Sequence[str]) -> Measuring:
    hundredths = rule.hundredths
    lookback_us = rule.lookback_us

    def measure(order: PastOrder, history: UserHistory) -> Measure | None:
        amounts = list(map(_cents, history.window(order.timestamp_us, lookback_us)[-rule.orders :]))
        count = len(amounts)
        if count < rule.at_least:
            return None
        total = sum(amounts)
        above = count * order.cents - total
        if above <= 0:
            return None
        # n² times the variance: exact in integers, as is the comparison of squares below.
        spread = count * sum(map(mul, amounts, amounts)) - total * total
        if (100 * above) ** 2 <= hundredths * hundredths * spread:
            return None
        # mean + k sd in cents, rounded half up: floor((200 total + 2 k√spread·100 + 100 n) / 200 n).
        limit = (200 * total + isqrt(4 * hundredths * hundredths * spread) + 100 * count) // (200 * count)
        return order.cents, max(limit, 1)

    return measure


def _new_category(rule: NewCategory, traits: Sequence[str]) -> Measuring:
    place = traits.index("category")
    lookback_us = rule.lookback_us

    def measure(order: PastOrder, history: UserHistory) -> Measure | None:
        earlier = history.window(order.timestamp_us, lookback_us)
        if len(earlier) < rule.at_least or any(one.traits[place] == order.traits[place] for one in earlier):
            return None
        return order.cents, None

    return measure


def least_orders(rule: Rule) -> int:
    """The number of earlier orders without which no order raises the rule."""
    match rule:
        case Velocity():
            return rule.more_than
        case Distinct():
            return rule.at_least - 1
        case CardTesting() | Deviation() | NewCategory():
            return rule.at_least
        case _:
            return 0


def least_cents(rule: Rule) -> int:
    """The amount that an order must exceed to raise the rule; -1 if any may."""
    return cents_of(rule.above) if isinstance(rule, CardTesting | NewCustomer | NewCategory) else -1


def bound_of(rule: Rule, traits: Sequence[str]) -> MayRaise | None:
    """Returns what the user's totals say of a rule that more orders never lower; None for one of another kind."""
    match rule:
        case Velocity():
            most = rule.more_than
            return lambda totals: totals.count > most
        case Spend():
            limit = cents_of(rule.above)
            return lambda totals: totals.cents > limit
        case Distinct():
            place, least = traits.index(rule.field), rule.at_least
            return lambda totals: totals.count >= least and place not in totals.common
        case CardTesting():
            below, small = cents_of(rule.below), rule.at_least
            return lambda totals: totals.count > small and totals.least_cents < below
        case _:
            return None


MEASURINGS: Final[Mapping[type[Rule], Callable[[Any, Sequence[str]], Measuring]]] = {
    Velocity: _velocity,
    Spend: _spend,
    Distinct: _distinct,
    CardTesting: _card_testing,
    NewCustomer: _new_customer,
    Deviation: _deviation,
    NewCategory: _new_category,
}
