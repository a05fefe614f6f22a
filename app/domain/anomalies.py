"""Anomaly rules as data, evaluated by one pure function.

A rule compares one measure of an accepted transaction with the smallest value that raises it. A new rule
over an existing measure is a new row in `standard_rules`; a new measure is a new field of `Measures`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from operator import attrgetter
from typing import Final, NamedTuple

from app.domain.money import decimal_from_cents

HIGH_VALUE: Final = "high_value"
UNUSUAL_QUANTITY: Final = "unusual_quantity"
RAPID_TRANSACTIONS: Final = "rapid_transactions"

_SCORE_PLACES: Final = Decimal("0.0001")


class Measures(NamedTuple):
    """The measures of the rules, one list each; position i is the chunk's i-th accepted transaction.

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


def standard_rules(*, high_value_cents: int, unusual_quantity: int, rapid_transactions: int) -> tuple[Rule, ...]:
    """Returns the contract's three rules: amount above, quantity at least, more than a number in 60 s."""
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
            unusual_quantity,
            unusual_quantity,
            Decimal(unusual_quantity),
            lambda quantity: f"Unusual quantity: {quantity} items",
        ),
        Rule(
            RAPID_TRANSACTIONS,
            attrgetter("recent"),
            rapid_transactions + 1,
            rapid_transactions,
            Decimal(rapid_transactions),
            lambda recent: f"Rapid transactions: {recent} in 60 seconds",
        ),
    )


def evaluate(rules: Sequence[Rule], measures: Measures) -> list[Anomaly]:
    """Returns all anomalies, rule by rule; an ordinary event costs one comparison of integers per rule."""
    return [
        _raise(rule, place, value)
        for rule in rules
        for place, value in enumerate(rule.measure(measures))
        if value >= rule.minimum
    ]


def _raise(rule: Rule, place: int, value: int) -> Anomaly:
    score = (Decimal(value) / rule.threshold).quantize(_SCORE_PLACES, rounding=ROUND_HALF_UP)
    return Anomaly(place, rule.anomaly_type, score, rule.stated_threshold, rule.describe(value))
