"""A rulebook: the rules and lists of one edition, and the scores from which an order is reviewed or blocked."""

from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Final, Protocol

from app.domain.anomalies import GUIDE_TITLES, HIGH_VALUE, RAPID_TRANSACTIONS, UNUSUAL_QUANTITY
from app.fraud.rule_errors import InvalidRuleError
from app.fraud.rules import Amount, AnyRule, Listed, Quantity, Rule, Velocity

#: The measure that every worker keeps of every user; a velocity over it costs no history.
MINUTE_SECONDS: Final = 60
FIRST_EDITION: Final = 1
MAX_RULES: Final = 200
MAX_LIST_ENTRIES: Final = 100_000

#: Values of a list, with the time (microseconds) from which each no longer counts; None never expires.
Entries = Mapping[str, int | None]


class Thresholds(Protocol):
    """What the guide's rules are compared with, by their ids."""

    @property
    def high_value(self) -> Decimal:
        """An order above this amount."""

    @property
    def unusual_quantity(self) -> int:
        """An order of at least so many items."""

    @property
    def rapid_transactions(self) -> int:
        """More than so many orders of a user within 60 s."""


@dataclass(frozen=True, slots=True)
class RuleVersion:
    """A rule as of one edition; `version` counts the changes of this rule."""

    rule: AnyRule
    version: int


@dataclass(frozen=True)
class Rulebook:
    """Everything that a verdict depends on besides the records: one edition, never changed.

    `rules` are in the order in which they were first made, paused ones included.
    """

    edition: int
    rules: tuple[RuleVersion, ...] = ()
    lists: Mapping[str, Entries] = field(default_factory=dict)
    review_from: int = 30
    block_from: int = 80

    @cached_property
    def judged(self) -> tuple[RuleVersion, ...]:
        """The rules that look at orders: active and shadow."""
        return tuple(version for version in self.rules if version.rule.state != "paused")

    @cached_property
    def traits(self) -> tuple[str, ...]:
        """The fields of earlier orders that rules compare."""
        return tuple(sorted({trait for version in self.judged for trait in version.rule.traits}))

    @cached_property
    def lookback_us(self) -> int:
        """How much of a user's history its rules need, in microseconds; 0 if they need none."""
        return max((v.rule.lookback_us for v in self.judged if needs_history(v.rule)), default=0)

    def version_of(self, rule_id: str) -> RuleVersion | None:
        """Returns a rule by its id."""
        return next((version for version in self.rules if version.rule.id == rule_id), None)


def needs_history(rule: Rule) -> bool:
    """Whether the rule needs more than the order and the user's orders of the last minute."""
    return rule.needs_history and not is_of_the_minute(rule)


def is_of_the_minute(rule: Rule) -> bool:
    """Whether the rule counts the user's orders in (t - 60 s, t]."""
    return isinstance(rule, Velocity) and rule.seconds == MINUTE_SECONDS


def missing_lists(rule: Rule, lists: Container[str]) -> tuple[str, ...]:
    """Returns the lists that a rule names and that do not exist."""
    return (rule.list,) if isinstance(rule, Listed) and rule.list not in lists else ()


def require_lists(rule: Rule, lists: Container[str]) -> None:
    """Raises InvalidRuleError if the rule names a list that does not exist."""
    for name in missing_lists(rule, lists):
        raise InvalidRuleError(f"list: there is no list {name}; make it first, or correct the name")


def guide_rules(thresholds: Thresholds) -> tuple[AnyRule, ...]:
    """The guide's three rules with these thresholds."""
    return (
        Amount(
            id=HIGH_VALUE,
            name=GUIDE_TITLES[HIGH_VALUE],
            above=thresholds.high_value,
            severity="high",
            weight=40,
            state="active",
        ),
        Quantity(
            id=UNUSUAL_QUANTITY,
            name=GUIDE_TITLES[UNUSUAL_QUANTITY],
            at_least=thresholds.unusual_quantity,
            severity="medium",
            weight=30,
            state="active",
        ),
        Velocity(
            id=RAPID_TRANSACTIONS,
            name=GUIDE_TITLES[RAPID_TRANSACTIONS],
            more_than=thresholds.rapid_transactions,
            seconds=MINUTE_SECONDS,
            severity="medium",
            weight=30,
            state="active",
        ),
    )
