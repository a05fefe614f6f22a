"""Judges the accepted orders of one partition in offset order, by one rulebook.

Filters run first; rules that need the order alone, or the user's last minute, are compared at once. Only then are the
histories of users asked for, and only of those whose orders passed a rule's filters. Rules that count or sum the orders
of a window are not raised by users whose totals are below the limit, so of most users totals are enough. The verdict on
an order is a function of the accepted orders of its partition up to its offset, and of the rulebook.
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from functools import cached_property
from operator import attrgetter, itemgetter
from typing import Any, Final, NamedTuple

from msgspec import structs

from app.domain.money import cents_of, decimal_from_cents
from app.events.topics.transactions import TransactionRow
from app.fraud.filters import Passes, passes_of
from app.fraud.measures import MEASURINGS, Orders, bound_of, least_cents, least_orders, simple_measures
from app.fraud.rulebook import Rulebook, RuleVersion, is_of_the_minute, needs_history
from app.fraud.rules import Distinct, NewCategory, Rule
from tables.user_histories import PastOrder, UserHistories, UserHistory, UserTotals

_SCORE_PLACES: Final = Decimal("0.0001")
#: Combinations of values that are shared; more are too many to meet again.
_MOST_SHARED: Final = 10_000
_new_tuple: Final = tuple.__new__


class Raised(NamedTuple):
    """A rule raised by the order at `place`: score = measure / threshold, four places, half up.

    The measure is in the unit of the threshold.
    """

    place: int
    version: RuleVersion
    measure: Decimal
    threshold: Decimal
    score: Decimal
    description: str


class Judge:
    """A rulebook made ready to judge.

    Histories remember `traits`, by default those that its rules compare; several judges of one history need the same.
    """

    def __init__(self, rulebook: Rulebook, traits: Sequence[str] | None = None) -> None:
        self.rulebook = rulebook
        self.traits = rulebook.traits if traits is None else tuple(traits)
        self._ranks = {version.rule.id: rank for rank, version in enumerate(rulebook.judged)}
        with_history = [v for v in rulebook.judged if needs_history(v.rule)]
        self._simple = [(v, passes_of(v.rule.where)) for v in rulebook.judged if not needs_history(v.rule)]
        self._histories = [_HistoryRule(v, self.traits) for v in with_history]
        self._traits_of = _traits_of(self.traits)
        #: Orders with the same values share one tuple: memory that is seldom read stays small.
        self._shared: dict[tuple[str | None, ...], tuple[str | None, ...]] = {}
        self._bounded = [rule for rule in self._histories if rule.may_raise is not None]
        self._unbounded = [rule for rule in self._histories if rule.may_raise is None]
        #: How far back totals reach; 0 where they spare nothing, because a rule needs every history.
        self._totals_us = 0
        if not any(rule.needs_all for rule in self._unbounded):
            self._totals_us = max((rule.lookback_us for rule in self._bounded), default=0)
        #: Rules that look at every order, and the others.
        self._of_all = [rule for rule in self._histories if rule.takes_all]
        self._of_some = [rule for rule in self._histories if not rule.takes_all]

    @property
    def uses_histories(self) -> bool:
        """Whether a rule needs users' histories; otherwise `judge` adds nothing to them."""
        return bool(self._histories)

    @cached_property
    def counts_minutes(self) -> bool:
        """Whether a rule needs the user's orders of the last minute."""
        return any(is_of_the_minute(version.rule) for version, _ in self._simple)

    def unknown(self, orders: Orders, histories: UserHistories) -> dict[str, int]:
        """Returns the users whose totals are worth reading before `needed`, and since when, in microseconds."""
        histories.remember(self.traits)
        if not self._totals_us:
            return {}
        whole = _missing(self._unbounded, orders, histories)
        missing = _missing(self._bounded, orders, histories, histories.totals)
        return {user_id: since_us for user_id, since_us in missing.items() if user_id not in whole}

    def needed(self, orders: Orders, histories: UserHistories, *, totals_read: bool = False) -> dict[str, int]:
        """Returns the users whose histories have to be read before `judge`, and since when, in microseconds.

        The orders are added to the totals of their users. With `totals_read` those of `unknown` were read; of a user
        without totals the history is needed.
        """
        histories.remember(self.traits)
        if not self._histories:
            # Nothing is added while no rule asks; a rule of a later edition must not find what was remembered before.
            histories.forget()
            return {}
        if not self._totals_us:
            histories.totals.clear()
            return _missing(self._histories, orders, histories)
        needed = _missing(self._unbounded, orders, histories)
        users = self._suspects(orders, histories) | needed.keys()
        if not totals_read:
            users |= _missing(self._bounded, orders, histories, histories.totals).keys()
        # A history replaces totals, so it reaches back as far for every order: one may be a year late.
        for row, timestamp_us in zip(orders.rows, orders.timestamps_us, strict=True) if users else ():
            if row.user_id in users:
                since_us = timestamp_us - self._totals_us
                needed[row.user_id] = min(since_us, needed.get(row.user_id, since_us))
        return needed

    def _suspects(self, orders: Orders, histories: UserHistories) -> set[str]:
        """Adds the orders to the totals, and returns the users who may raise a rule by them."""
        totals, traits_of = histories.totals, self._traits_of
        touched: dict[str, UserTotals] = {}
        for row, timestamp_us in zip(orders.rows, orders.timestamps_us, strict=True):
            user_id = row.user_id
            known = totals.get(user_id)
            if known is not None:
                known.add(timestamp_us, row.amount_cents, traits_of(row))
                touched[user_id] = known
        suspects: set[str] = set()
        for rule in self._bounded:
            may_raise = rule.may_raise
            assert may_raise is not None, "it is one of the bounded"
            raising = [user_id for user_id, known in touched.items() if may_raise(known)]
            if raising and not rule.needs_all:
                asking = {orders.rows[place].user_id for place in rule.candidates(orders.rows)}
                raising = [user_id for user_id in raising if user_id in asking]
            suspects.update(raising)
        return suspects

    def judge(self, orders: Orders, histories: UserHistories) -> list[Raised]:
        """Returns what the orders raise, rule by rule, and adds them to the histories that are remembered.

        The histories named by `needed` are there.
        """
        raised = [
            _raised(version, place, measure, None)
            for version, passes in self._simple
            for place, measure in simple_measures(version.rule, self.rulebook, orders)
            if passes is None or passes(orders.rows[place])
        ]
        if self._histories:
            raised += self._judge_histories(orders, histories)
            raised.sort(key=lambda one: (self._ranks[one.version.rule.id], one.place))
            histories.settle(self.rulebook.lookback_us, self._totals_us)
        return raised

    def _judge_histories(self, orders: Orders, histories: UserHistories) -> list[Raised]:
        of_some: dict[int, list[_HistoryRule]] = {}
        for rule in self._of_some:
            for place in rule.candidates(orders.rows):
                of_some.setdefault(place, []).append(rule)
        raised: list[Raised] = []
        of_all, past_order, add = self._of_all, self.past_order, histories.add
        found = histories.get_all(row.user_id for row in orders.rows)
        for place, (row, timestamp_us, history) in enumerate(
            zip(orders.rows, orders.timestamps_us, found, strict=True)
        ):
            if history is None:
                continue
            order, earlier = past_order(row, timestamp_us), len(history.orders)
            for rule in (*of_all, *of_some[place]) if place in of_some else of_all:
                # Most users have few orders, and most rules need some: this spares them a call.
                measured = rule.measure(order, history) if earlier >= rule.least_orders else None
                if measured is not None:
                    raised.append(_raised(rule.version, place, *measured))
            add(history, order)
        return raised

    def past_order(self, row: TransactionRow, timestamp_us: int) -> PastOrder:
        """The part of an order that histories remember."""
        traits = self._traits_of(row)
        shared = self._shared.get(traits)
        if shared is None:
            shared = self._share(traits)
        # What PastOrder(…) does, without its function.
        return _new_tuple(PastOrder, (timestamp_us, row.source_offset, row.amount_cents, shared))

    def _share(self, traits: tuple[str | None, ...]) -> tuple[str | None, ...]:
        if len(self._shared) >= _MOST_SHARED:
            self._shared.clear()
        self._shared[traits] = traits
        return traits


class _HistoryRule:
    """A rule that needs users' histories."""

    def __init__(self, version: RuleVersion, traits: Sequence[str]) -> None:
        self.version = version
        self.lookback_us = version.rule.lookback_us
        self.measure = MEASURINGS[type(version.rule)](version.rule, traits)
        self.may_raise = bound_of(version.rule, traits)
        self.least_orders = least_orders(version.rule)
        self._above, self._passes = _above_and_passes(version.rule)
        self._own: Callable[[TransactionRow], Any] | None = None
        if isinstance(version.rule, Distinct | NewCategory):
            self._own = attrgetter(version.rule.traits[0])
        unfiltered = self._above < 0 and self._passes is None
        #: Whether it needs the history of every order's user.
        self.needs_all = unfiltered and self._own is None
        #: Whether it may measure every order whose history is there: `distinct` passes over those without the value.
        self.takes_all = self.needs_all or (unfiltered and isinstance(version.rule, Distinct))

    def candidates(self, rows: Sequence[TransactionRow]) -> list[int]:
        """Returns the places of the orders that may raise it, judged by the order alone."""
        above, passes, own = self._above, self._passes, self._own
        return [
            place
            for place, row in enumerate(rows)
            if row.amount_cents > above and (own is None or own(row) is not None) and (passes is None or passes(row))
        ]


def _missing(
    rules: Sequence[_HistoryRule],
    orders: Orders,
    histories: UserHistories,
    totals: Mapping[str, UserTotals] | None = None,
) -> dict[str, int]:
    """Returns the users of whom too little is remembered for the rules, and since when more is needed.

    With `totals` these are enough where they reach back as far.
    """
    missing: dict[str, int] = {}
    rows = orders.rows
    # Of the rules that need every history, the one that looks furthest back needs what the others do.
    longest_us = max((rule.lookback_us for rule in rules if rule.needs_all), default=0)
    asking: list[tuple[int, Sequence[int]]] = [(longest_us, range(len(rows)))] if longest_us else []
    asking += [
        (rule.lookback_us, rule.candidates(rows))
        for rule in rules
        if not rule.needs_all and rule.lookback_us > longest_us
    ]
    for lookback_us, places in asking:
        user_ids = [rows[place].user_id for place in places]
        known: Sequence[UserHistory | UserTotals | None] = histories.get_all(user_ids)
        if totals:
            known = [totals.get(user) if one is None else one for user, one in zip(user_ids, known, strict=True)]
        for user_id, place, one in zip(user_ids, places, known, strict=True):
            since_us = orders.timestamps_us[place] - lookback_us
            if one is None or one.since_us > since_us:
                missing[user_id] = min(since_us, missing.get(user_id, since_us))
    return missing


def _traits_of(traits: Sequence[str]) -> Callable[[TransactionRow], tuple[str | None, ...]]:
    """Returns what reads the fields of an order, in one call where there are several."""
    if not traits:
        return lambda row: ()
    read: Callable[[TransactionRow], Any] = itemgetter(*map(TransactionRow._fields.index, traits))
    return read if len(traits) > 1 else lambda row: (read(row),)


def _above_and_passes(rule: Rule) -> tuple[int, Passes | None]:
    """Returns the amount that an order must exceed, the filter's included, and the rest of the filter."""
    above, where = least_cents(rule), rule.where
    if where.amount_from is not None:
        above = max(above, cents_of(where.amount_from) - 1)
        where = structs.replace(where, amount_from=None)
    return above, passes_of(where)


def _raised(version: RuleVersion, place: int, measure: int, threshold_cents: int | None) -> Raised:
    rule = version.rule
    threshold = rule.threshold if threshold_cents is None else decimal_from_cents(threshold_cents)
    value = decimal_from_cents(measure) if rule.in_currency else Decimal(measure)
    score = (value / threshold).quantize(_SCORE_PLACES, rounding=ROUND_HALF_UP)
    return Raised(place, version, value, threshold, score, rule.describe(measure, threshold))
