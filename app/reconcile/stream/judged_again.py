"""Judges every accepted order of a partition again, naively, by the edition that judged its offset.

Of every user all orders so far are kept, sorted by time: a list that never expires, so that no order comes too late.
"""

import json
from bisect import bisect_right, insort
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any, Final, NamedTuple

from app.errors import RecountError
from app.reconcile.stream.edition_records import SENT_FIELDS, Edition, Editions, RuleVersion
from app.reconcile.stream.expected_store import Anomaly, Shadow, Verdict
from app.reconcile.stream.snapshot import Counted

#: Digits enough that no comparison, quotient or root of amounts is rounded where it matters.
_EXACT: Final = Context(prec=80, rounding=ROUND_HALF_UP)
_CENT: Final = Decimal("0.01")
_SCORE: Final = Decimal("0.0001")
_SEVERITIES: Final = ("low", "medium", "high", "critical")
_MOST: Final = 100


@dataclass(frozen=True, slots=True)
class Order:
    """An accepted order; `stored` are its fields by name. `sent` are those it was sent with, None if nobody knows."""

    partition: int
    offset: int
    time_us: int
    stored: Mapping[str, Any]
    sent: Mapping[str, Any] | None

    @property
    def amount(self) -> Decimal:
        """What it cost."""
        return Decimal(self.stored["total_amount"])

    @property
    def user_id(self) -> str:
        """Its user, as stored."""
        return str(self.stored["user_id"])

    @property
    def name(self) -> str:
        """Its id."""
        return str(self.stored["transaction_id"])


@dataclass(frozen=True, slots=True)
class Known:
    """What is not judged again but taken from what is stored.

    `listed` are (transaction, rule) of orders whose sent fields nobody knows any more. Of orders before
    `counted_until_us` nobody knows all that preceded them: which of their anomalies suppress later ones is in
    `counted`, by partition, in the order of their offsets.
    """

    listed: Collection[tuple[str, str]] = frozenset()
    counted: Mapping[int, Sequence[Counted]] = field(default_factory=dict)
    counted_until_us: int | None = None


class Finding(NamedTuple):
    """A rule that an order raised."""

    rule: RuleVersion
    measure: Decimal
    threshold: Decimal
    description: str

    @property
    def score(self) -> Decimal:
        """Measure by threshold, four places, half up."""
        return _EXACT.divide(self.measure, self.threshold).quantize(_SCORE, context=_EXACT)


@dataclass(slots=True)
class Judgement:
    """The rows that an order is expected to have."""

    anomalies: list[Anomaly] = field(default_factory=list)
    shadows: list[Shadow] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)


class Past:
    """A user's accepted orders so far, sorted by time, of equal times by offset."""

    __slots__ = ("amounts", "fields", "times_us")

    def __init__(self) -> None:
        self.times_us: list[int] = []
        self.amounts: list[Decimal] = []
        self.fields: list[tuple[Any, ...]] = []

    def window(self, time_us: int, length_us: int) -> slice:
        """The orders in (t - length, t]."""
        return slice(bisect_right(self.times_us, time_us - length_us), bisect_right(self.times_us, time_us))


class JudgedAgain:
    """One partition; orders are passed in the sequence of their offsets."""

    def __init__(self, partition: int, editions: Editions, known: Known | None = None) -> None:
        self._partition = partition
        self._editions = editions
        self._known = Known() if known is None else known
        self._stored = deque(self._known.counted.get(partition, ()))
        self._looks_back = editions.lookback_us > 0
        self._amounts = editions.remembers_amounts
        self._fields = editions.remembered
        self._cooling = editions.cooling
        self._past: defaultdict[str, Past] = defaultdict(Past)
        self._counted: defaultdict[tuple[str, str], list[int]] = defaultdict(list)

    def judge(self, order: Order) -> Judgement:
        """Returns what is expected of the next accepted order."""
        edition = self._editions.of(self._partition, order.offset)
        found = [finding for rule in edition.rules if (finding := self._finding(rule, order, edition)) is not None]
        self._remember(order)
        judgement = Judgement(shadows=[_shadow(order, one) for one in found if one.rule.state == "shadow"])
        active = [one for one in found if one.rule.state == "active"]
        counting = [one for one in active if one.rule.effect != "allow"]
        if not counting:
            return judgement
        before_the_desk = self._editions.is_before_the_desk(self._partition, order.offset)
        suppressed = [not before_the_desk and self._is_repeated(one.rule, order) for one in counting]
        judgement.anomalies = [
            _anomaly(order, one, again, before_the_desk) for one, again in zip(counting, suppressed, strict=True)
        ]
        allowing = [one for one in active if one.rule.effect == "allow"]
        judgement.verdicts = [_verdict(order, edition, counting, suppressed, allowing, before_the_desk)]
        return judgement

    def _finding(self, rule: RuleVersion, order: Order, edition: Edition) -> Finding | None:
        if not _passes(rule.where, order):
            return None
        if rule.kind == "list":
            return self._on_list(rule, order, edition)
        if rule.kind not in _MEASURES:
            raise RecountError(f"rule {rule.rule_id} is of the kind {rule.kind}, which this recount does not know")
        measured = _MEASURES[rule.kind](rule, order, self._past[order.user_id], self._fields)
        if measured is None:
            return None
        measure, threshold = measured
        return Finding(rule, measure, threshold, _TEXTS[rule.kind](rule.definition, measure, threshold))

    def _on_list(self, rule: RuleVersion, order: Order, edition: Edition) -> Finding | None:
        name, listed = rule.definition["field"], rule.definition["list"]
        if name in SENT_FIELDS and order.sent is None:
            is_on = (order.name, rule.rule_id) in self._known.listed
        else:
            fields = order.sent if name in SENT_FIELDS and order.sent is not None else order.stored
            is_on = self._editions.is_on(listed, fields[name], edition.number, order.time_us)
        return Finding(rule, Decimal(1), Decimal(1), f"{name} is on the list {listed}") if is_on else None

    def _remember(self, order: Order) -> None:
        if not self._looks_back:
            return
        past = self._past[order.user_id]
        place = bisect_right(past.times_us, order.time_us)
        past.times_us.insert(place, order.time_us)
        if self._amounts:
            past.amounts.insert(place, order.amount)
        if self._fields:
            past.fields.insert(place, tuple(order.stored[name] for name in self._fields))

    def _is_repeated(self, rule: RuleVersion, order: Order) -> bool:
        """Whether an anomaly of user and rule that counted lies in (t - cool-down, t]; one that counts is kept."""
        if rule.rule_id not in self._cooling:
            return False
        while self._stored and self._stored[0].offset < order.offset:
            stored = self._stored.popleft()
            insort(self._counted[stored.user_id, stored.rule_id], stored.time_us)
        times = self._counted[order.user_id, rule.rule_id]
        place = bisect_right(times, order.time_us)
        repeated = place > 0 and times[place - 1] > order.time_us - rule.cooldown_us
        until_us = self._known.counted_until_us
        if not repeated and (until_us is None or order.time_us >= until_us):
            insort(times, order.time_us)
        return repeated


def _passes(where: Mapping[str, Any], order: Order) -> bool:
    """Whether the order meets every filter; a missing field is in no list of names."""
    for condition, limit in where.items():
        if limit is None:
            continue
        name, _, comparison = condition.removesuffix("_not_in").rpartition("_")
        if condition.endswith("_not_in"):
            holds = order.stored[condition.removesuffix("_not_in")] not in limit
        elif comparison == "in":
            holds = order.stored[name] in limit
        else:
            value = order.amount if name == "amount" else Decimal(order.stored[name])
            holds = value >= Decimal(limit) if comparison == "from" else value <= Decimal(limit)
        if not holds:
            return False
    return True


_Measured = tuple[Decimal, Decimal] | None


def _amount(rule: RuleVersion, order: Order, _: Past, __: Sequence[str]) -> _Measured:
    return (order.amount, rule.amount("above")) if order.amount > rule.amount("above") else None


def _quantity(rule: RuleVersion, order: Order, _: Past, __: Sequence[str]) -> _Measured:
    items, least = Decimal(order.stored["quantity"]), rule.amount("at_least")
    return (items, least) if items >= least else None


def _velocity(rule: RuleVersion, order: Order, past: Past, _: Sequence[str]) -> _Measured:
    window = past.window(order.time_us, rule.lookback_us)
    orders, most = Decimal(window.stop - window.start + 1), rule.amount("more_than")
    return (orders, most) if orders > most else None


def _spend(rule: RuleVersion, order: Order, past: Past, _: Sequence[str]) -> _Measured:
    spent = sum(past.amounts[past.window(order.time_us, rule.lookback_us)], order.amount)
    return (spent, rule.amount("above")) if spent > rule.amount("above") else None


def _distinct(rule: RuleVersion, order: Order, past: Past, fields: Sequence[str]) -> _Measured:
    name = rule.definition["field"]
    if order.stored[name] is None:
        return None
    place = fields.index(name)
    values = {one[place] for one in past.fields[past.window(order.time_us, rule.lookback_us)]}
    count, least = Decimal(len((values | {order.stored[name]}) - {None})), rule.amount("at_least")
    return (count, least) if count >= least else None


def _card_testing(rule: RuleVersion, order: Order, past: Past, _: Sequence[str]) -> _Measured:
    below, least = rule.amount("below"), rule.amount("at_least")
    if order.amount <= rule.amount("above"):
        return None
    small = [one for one in past.amounts[past.window(order.time_us, rule.lookback_us)] if one < below]
    return (Decimal(len(small)), least) if len(small) >= least else None


def _new_customer(rule: RuleVersion, order: Order, past: Past, _: Sequence[str]) -> _Measured:
    window = past.window(order.time_us, rule.lookback_us)
    is_first = window.start == window.stop
    return (order.amount, rule.amount("above")) if is_first and order.amount > rule.amount("above") else None


def _deviation(rule: RuleVersion, order: Order, past: Past, _: Sequence[str]) -> _Measured:
    """All sides are multiplied by n, so that nothing but the root is ever rounded."""
    window = past.window(order.time_us, rule.lookback_us)
    amounts = past.amounts[max(window.start, window.stop - int(rule.definition["orders"])) : window.stop]
    n = len(amounts)
    if n < int(rule.definition["at_least"]):
        return None
    total = sum(amounts, Decimal(0))
    squares = sum((_EXACT.multiply(one, one) for one in amounts), Decimal(0))
    variance = _EXACT.subtract(_EXACT.multiply(Decimal(n), squares), _EXACT.multiply(total, total))
    spread = _EXACT.multiply(rule.amount("deviations"), _EXACT.sqrt(variance))
    if n * order.amount - total <= spread:
        return None
    limit = _EXACT.divide(_EXACT.add(total, spread), Decimal(n)).quantize(_CENT, context=_EXACT)
    return order.amount, max(limit, _CENT)


def _new_category(rule: RuleVersion, order: Order, past: Past, fields: Sequence[str]) -> _Measured:
    category, above = order.stored["category"], rule.amount("above")
    if category is None or order.amount <= above:
        return None
    place = fields.index("category")
    window = past.window(order.time_us, rule.lookback_us)
    enough = window.stop - window.start >= int(rule.definition["at_least"])
    is_new = enough and all(one[place] != category for one in past.fields[window])
    return (order.amount, above) if is_new else None


_MEASURES: Final[Mapping[str, Callable[[RuleVersion, Order, Past, Sequence[str]], _Measured]]] = {
    "amount": _amount,
    "quantity": _quantity,
    "velocity": _velocity,
    "spend": _spend,
    "distinct": _distinct,
    "card_testing": _card_testing,
    "new_customer": _new_customer,
    "deviation": _deviation,
    "new_category": _new_category,
}
#: The texts of the descriptions, of parameters, measure and threshold.
_TEXTS: Final[Mapping[str, Callable[[Mapping[str, Any], Decimal, Decimal], str]]] = {
    "amount": lambda _, measure, __: f"High value transaction: ${measure:.2f}",
    "quantity": lambda _, measure, __: f"Unusual quantity: {measure} items",
    "velocity": lambda rule, measure, _: f"Rapid transactions: {measure} in {rule['seconds']} seconds",
    "spend": lambda rule, measure, _: f"Spent ${measure:.2f} in {rule['seconds']} seconds",
    "distinct": lambda rule, measure, _: f"{measure} different values of {rule['field']} in {rule['seconds']} seconds",
    "card_testing": lambda rule, measure, _: (
        f"{measure} orders below ${Decimal(rule['below']):.2f} in {rule['seconds']} seconds before this one"
    ),
    "new_customer": lambda _, measure, __: f"First order of a customer: ${measure:.2f}",
    "deviation": lambda _, measure, threshold: f"Amount ${measure:.2f} where this customer's limit is ${threshold:.2f}",
    "new_category": lambda _, measure, __: f"First order in a new category: ${measure:.2f}",
}


def _anomaly(order: Order, found: Finding, suppressed: bool, before_the_desk: bool) -> Anomaly:
    return Anomaly(
        order.name,
        found.rule.rule_id,
        order.user_id,
        str(order.amount),
        str(found.score),
        found.description,
        order.time_us,
        str(found.threshold),
        found.rule.version,
        found.rule.severity,
        suppressed,
        order.partition,
        order.offset,
        before_the_desk,
    )


def _shadow(order: Order, found: Finding) -> Shadow:
    return Shadow(
        order.name,
        found.rule.rule_id,
        found.rule.version,
        order.user_id,
        str(order.amount),
        str(found.score),
        str(found.measure),
        str(found.threshold),
        found.description,
        order.time_us,
        order.partition,
        order.offset,
    )


def _verdict(
    order: Order,
    edition: Edition,
    counting: Sequence[Finding],
    suppressed: Sequence[bool],
    allowing: Sequence[Finding],
    before_the_desk: bool,
) -> Verdict:
    score = 0 if allowing else min(_MOST, sum(one.rule.weight for one in counting))
    blocked = score >= edition.block_from or any(one.rule.effect == "block" for one in counting)
    action = "block" if blocked else "review" if score >= edition.review_from else "allow"
    if allowing:
        action = "allow"
    reasons = [_reason(one, one.rule.weight, again) for one, again in zip(counting, suppressed, strict=True)]
    reasons += [_reason(one, 0, False) for one in allowing]
    return Verdict(
        order.name,
        order.user_id,
        str(order.amount),
        order.time_us,
        edition.number,
        score,
        action,
        max((one.rule.severity for one in counting), key=_SEVERITIES.index),
        json.dumps(reasons),
        order.partition,
        order.offset,
        action != "allow" and not all(suppressed),
        before_the_desk,
    )


def _reason(found: Finding, weight: int, suppressed: bool) -> dict[str, Any]:
    return {
        "rule_id": found.rule.rule_id,
        "rule_version": found.rule.version,
        "name": found.rule.definition["name"],
        "severity": found.rule.severity,
        "weight": weight,
        "measure": str(found.measure),
        "threshold": str(found.threshold),
        "description": found.description,
        "suppressed": suppressed,
    }
