"""Anomaly rules as data, judged by one pure function.

A rule compares one measure of an accepted transaction with the smallest value that raises it. A new rule
over an existing measure is a new row in `standard_rules`; a new measure is a new field of `Measures`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from operator import attrgetter
from typing import Final, NamedTuple, Protocol

from app.domain.money import decimal_from_cents

HIGH_VALUE: Final = "high_value"
UNUSUAL_QUANTITY: Final = "unusual_quantity"
RAPID_TRANSACTIONS: Final = "rapid_transactions"
#: Every type a rule of `standard_rules` raises.
ANOMALY_TYPES: Final = (HIGH_VALUE, UNUSUAL_QUANTITY, RAPID_TRANSACTIONS)

_SCORE_PLACES: Final = Decimal("0.0001")


class Measures(NamedTuple):
    """What rules look at, one list per measure, place by place the accepted transactions of a chunk.

    `recent` counts the user's accepted events in the last 60 s, the transaction itself included.
    """

    amount_cents: Sequence[int]
    quantity: Sequence[int]
    recent: Sequence[int]


@dataclass(frozen=True, slots=True)
class Rule:
    """Raises `anomaly_type` when the measure reaches `minimum`; measure, minimum and threshold share a unit."""

    anomaly_type: str
    measure: Callable[[Measures], Sequence[int]]
    minimum: int
    threshold: int
    stated_threshold: Decimal
    describe: Callable[[int], str]


class Anomaly(NamedTuple):
    """A rule raised by the transaction at `place`: score = measure / threshold, four places, half up."""

    place: int
    anomaly_type: str
    score: Decimal
    threshold: Decimal
    description: str


class Thresholds(Protocol):
    """The limits of the standard rules; `high_value` in currency units."""

    @property
    def high_value(self) -> Decimal:
        """Amount above which an order is raised."""

    @property
    def unusual_quantity(self) -> int:
        """Items from which an order is raised."""

    @property
    def rapid_transactions(self) -> int:
        """Orders of a user in 60 s beyond which each one is raised."""


def standard_rules(thresholds: Thresholds) -> tuple[Rule, ...]:
    """The contract's three rules: amount above, quantity at least, more than so many in 60 s."""
    high_value_cents = int(thresholds.high_value * 100)
    return (
        Rule(
            HIGH_VALUE,
            attrgetter("amount_cents"),
            high_value_cents + 1,
            high_value_cents,
            decimal_from_cents(high_value_cents),
            lambda cents: f"High value transaction: ${decimal_from_cents(cents)}",
        ),
        Rule(
            UNUSUAL_QUANTITY,
            attrgetter("quantity"),
            thresholds.unusual_quantity,
            thresholds.unusual_quantity,
            Decimal(thresholds.unusual_quantity),
            lambda quantity: f"Unusual quantity: {quantity} items",
        ),
        Rule(
            RAPID_TRANSACTIONS,
            attrgetter("recent"),
            thresholds.rapid_transactions + 1,
            thresholds.rapid_transactions,
            Decimal(thresholds.rapid_transactions),
            lambda recent: f"Rapid transactions: {recent} in 60 seconds",
        ),
    )


def judge(rules: Sequence[Rule], measures: Measures) -> list[Anomaly]:
    """Everything the rules raise, rule by rule; a pass over one list of integers is all an ordinary event costs."""
    return [
        _raise(rule, place, value)
        for rule in rules
        for place, value in enumerate(rule.measure(measures))
        if value >= rule.minimum
    ]


def _raise(rule: Rule, place: int, value: int) -> Anomaly:
    score = (Decimal(value) / rule.threshold).quantize(_SCORE_PLACES, rounding=ROUND_HALF_UP)
    return Anomaly(place, rule.anomaly_type, score, rule.stated_threshold, rule.describe(value))
