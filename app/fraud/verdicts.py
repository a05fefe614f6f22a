"""From what an order raised to its verdict: the risk score, the action, and the reasons."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from app.events.topics.transactions import TransactionRow
from app.fraud.judging import Raised
from app.fraud.rulebook import Rulebook
from app.fraud.rules import SEVERITIES, Listed, Rule, Severity

Action = Literal["allow", "review", "block"]
MAX_SCORE: Final = 100
ALLOW: Final[Action] = "allow"
REVIEW: Final[Action] = "review"
BLOCK: Final[Action] = "block"


@dataclass(frozen=True, slots=True)
class Reason:
    """A rule that an order raised, and whether it repeats one of the user within the rule's cool-down."""

    raised: Raised
    suppressed: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be done with an order; `reasons` are by rule, `allowed_by` the allow lists that it is on."""

    risk_score: int
    action: Action
    severity: Severity
    reasons: tuple[Reason, ...]
    allowed_by: tuple[Raised, ...] = ()

    @property
    def opens_case(self) -> bool:
        """Whether somebody has to look at the order: a reason that counts is no repetition."""
        return self.action != ALLOW and not all(reason.suppressed for reason in self.reasons)


def is_allowing(raised: Raised) -> bool:
    """Whether it is an entry of an allow list, which is no anomaly."""
    rule = raised.version.rule
    return isinstance(rule, Listed) and rule.effect == "allow"


def reasons_of(
    rows: Sequence[TransactionRow], raised: Sequence[Raised], counted: Mapping[tuple[str, str], list[datetime]]
) -> list[Reason]:
    """Marks what repeats an anomaly of user and rule that counted, within the cool-down before the order's time.

    `counted` are the times of earlier anomalies that counted, by user and rule; those that count now are added.
    """
    suppressed: set[tuple[int, str]] = set()
    cooling = [one for one in raised if one.version.rule.cooldown_minutes]
    for one in sorted(cooling, key=lambda one: one.place):
        rule = one.version.rule
        if is_repetition(rows[one.place], rule, counted):
            suppressed.add((one.place, rule.id))
    return [Reason(one, (one.place, one.version.rule.id) in suppressed) for one in raised]


def is_repetition(row: TransactionRow, rule: Rule, counted: Mapping[tuple[str, str], list[datetime]]) -> bool:
    """Whether what the order raised repeats one that counted, within the rule's cool-down before the order's time.

    If not, it counts: its time is added.
    """
    times, after = counted[row.user_id, rule.id], row.timestamp - timedelta(minutes=rule.cooldown_minutes)
    if any(after < time <= row.timestamp for time in times):
        return True
    times.append(row.timestamp)
    return False


def verdicts_of(
    rulebook: Rulebook, reasons: Iterable[Reason], allowing: Iterable[Raised] = ()
) -> list[tuple[int, "Verdict"]]:
    """Returns the place and the verdict of every order with a reason, in the order of places."""
    by_place: defaultdict[int, list[Reason]] = defaultdict(list)
    allowed: defaultdict[int, list[Raised]] = defaultdict(list)
    for reason in reasons:
        by_place[reason.raised.place].append(reason)
    for one in allowing:
        allowed[one.place].append(one)
    return [(place, verdict_of(rulebook, found, allowed[place])) for place, found in sorted(by_place.items())]


def verdict_of(rulebook: Rulebook, reasons: Sequence[Reason], allowed_by: Iterable[Raised] = ()) -> Verdict:
    """Returns the verdict on an order that raised at least one active rule.

    The score is the sum of the weights, at most 100. An allow list makes it 0; a block list blocks at any score.
    """
    rules = [reason.raised.version.rule for reason in reasons]
    severity = max((rule.severity for rule in rules), key=SEVERITIES.index)
    allowed = tuple(allowed_by)
    if allowed:
        return Verdict(0, ALLOW, severity, tuple(reasons), allowed)
    score = min(MAX_SCORE, sum(rule.weight for rule in rules))
    blocked = any(isinstance(rule, Listed) and rule.effect == "block" for rule in rules)
    action = BLOCK if blocked or score >= rulebook.block_from else REVIEW if score >= rulebook.review_from else ALLOW
    return Verdict(score, action, severity, tuple(reasons))
