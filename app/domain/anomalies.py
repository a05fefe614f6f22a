"""Anomaly rules as data, evaluated by one pure function.

A rule compares one measure of an accepted transaction with the smallest value that raises it. A measure is a field of
the row, or it depends on earlier transactions and is computed by one of `app.sink.stateful_rules`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Final, NamedTuple

from app.domain.money import cents_of, decimal_from_cents, plain_amount

HIGH_VALUE: Final = "high_value"
UNUSUAL_QUANTITY: Final = "unusual_quantity"
RAPID_TRANSACTIONS: Final = "rapid_transactions"

_SCORE_PLACES: Final = Decimal("0.0001")

#: The measures of a chunk by name; position i is that of its i-th accepted transaction.
Measures = Mapping[str, Sequence[int]]


@dataclass(frozen=True, slots=True)
class Rule:
    """Raises `anomaly_type` when the measure reaches `minimum`; measure, minimum and threshold share a unit."""

    anomaly_type: str
    measure: str
    minimum: int
    threshold: int
    stated_threshold: Decimal
    describe: Callable[[int], str]


@dataclass(frozen=True, slots=True)
class RuleKind:
    """A rule without its threshold, which is the setting named like `anomaly_type`.

    It raises above the threshold, with `inclusive` from it on. With `in_currency` the threshold is an amount and the
    measure is in cents.
    """

    anomaly_type: str
    title: str
    measure: str
    describe: Callable[[int], str]
    inclusive: bool = False
    in_currency: bool = False

    def rule(self, stated: Decimal | int) -> Rule:
        """Returns the rule with this threshold."""
        threshold = cents_of(Decimal(stated)) if self.in_currency else int(stated)
        shown = decimal_from_cents(threshold) if self.in_currency else Decimal(threshold)
        minimum = threshold if self.inclusive else threshold + 1
        return Rule(self.anomaly_type, self.measure, minimum, threshold, shown, self.describe)


#: Every rule, in the order in which anomalies of an order are stored and shown.
RULE_KINDS: Final = (
    RuleKind(
        HIGH_VALUE,
        "High value",
        "amount_cents",
        lambda cents: f"High value transaction: {plain_amount(cents)}",
        in_currency=True,
    ),
    RuleKind(
        UNUSUAL_QUANTITY,
        "Unusual quantity",
        "quantity",
        lambda quantity: f"Unusual quantity: {quantity} items",
        inclusive=True,
    ),
    RuleKind(
        RAPID_TRANSACTIONS, "Rapid transactions", "recent", lambda recent: f"Rapid transactions: {recent} in 60 seconds"
    ),
)
ANOMALY_TYPES: Final = tuple(kind.anomaly_type for kind in RULE_KINDS)


class Anomaly(NamedTuple):
    """A rule raised by the transaction at `place`: score = measure / threshold, four places, half up."""

    place: int
    anomaly_type: str
    score: Decimal
    threshold: Decimal
    description: str


def standard_rules(thresholds: object) -> tuple[Rule, ...]:
    """Returns every rule with its threshold, the attribute of `thresholds` named like the anomaly."""
    return tuple(kind.rule(getattr(thresholds, kind.anomaly_type)) for kind in RULE_KINDS)


def evaluate(rules: Sequence[Rule], measures: Measures) -> list[Anomaly]:
    """Returns all anomalies, rule by rule; an ordinary event costs one comparison of integers per rule."""
    return [
        _raise(rule, place, value)
        for rule in rules
        for place, value in enumerate(measures[rule.measure])
        if value >= rule.minimum
    ]


def _raise(rule: Rule, place: int, value: int) -> Anomaly:
    score = (Decimal(value) / rule.threshold).quantize(_SCORE_PLACES, rounding=ROUND_HALF_UP)
    return Anomaly(place, rule.anomaly_type, score, rule.stated_threshold, rule.describe(value))
