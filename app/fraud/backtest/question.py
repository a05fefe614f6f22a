"""What a test on history asks, and what of the database it needs to answer it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import asyncpg

from app.domain.timestamps import EPOCH, MICROSECOND
from app.fraud.editions import load_rulebook
from app.fraud.rule_errors import InvalidRuleError, UnknownNameError
from app.fraud.rulebook import MINUTE_SECONDS, Rulebook, RuleVersion, is_of_the_minute, require_lists
from app.fraud.rules import AnyRule, Listed, State, parse_rule

#: The version of a draft, which was never set.
DRAFT_VERSION: Final = 0
_FIRST_TIME: Final = datetime.min.replace(tzinfo=UTC)
_ENDS: Final = "SELECT partition, next_offset FROM stream_progress WHERE topic = 'transactions' ORDER BY partition"
_VERSIONS: Final = "SELECT rule_id, definition FROM fraud_rules WHERE rule_id = ANY($1)"
_JUDGED_IN: Final[frozenset[State]] = frozenset(("active", "shadow"))


@dataclass(frozen=True, slots=True)
class Question:
    """Which rules would have raised which orders of [start, end).

    `drafts` judge as if they had been set before the range, in place of a rule of their id. `rule_ids` name rules that
    exist: each order is judged by the version of its edition, if that was in one of the `states`. With `lists_now` the
    lists are today's, not those of the order's edition; that is another question, for comparison only.
    """

    start: datetime
    end: datetime
    drafts: tuple[AnyRule, ...] = ()
    rule_ids: tuple[str, ...] = ()
    states: frozenset[State] = _JUDGED_IN
    lists_now: bool = False

    def versions(self, book: Rulebook) -> tuple[RuleVersion, ...]:
        """Returns what is asked for as of an edition."""
        drafts = tuple(RuleVersion(draft, DRAFT_VERSION) for draft in self.drafts)
        asked = set(self.rule_ids)
        return drafts + tuple(v for v in book.rules if v.rule.id in asked and v.rule.state in self.states)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A question with what its answer depends on, as of one snapshot.

    `rules` are the drafts and every version of the rules asked for; `ends` the next offset of each partition.
    """

    question: Question
    rules: tuple[AnyRule, ...]
    newest: int
    ends: Mapping[int, int]

    @property
    def by_edition(self) -> bool:
        """Whether the verdict on an order depends on the edition of its offset."""
        of_lists = any(isinstance(rule, Listed) for rule in self.rules) and not self.question.lists_now
        return of_lists or bool(self.question.rule_ids)

    @property
    def lookback(self) -> timedelta:
        """How much of a user's history the rules need before an order."""
        longest_us = max((_lookback_us(rule) for rule in self.rules), default=0)
        return timedelta(microseconds=longest_us)

    @property
    def reads_from(self) -> datetime:
        """The time from which orders are read."""
        start = self.question.start
        return _FIRST_TIME if start - _FIRST_TIME < self.lookback else start - self.lookback

    @property
    def traits(self) -> tuple[str, ...]:
        """The fields of earlier orders that the rules compare, of whatever edition."""
        return tuple(sorted({trait for rule in self.rules for trait in rule.traits}))

    @property
    def counts_minutes(self) -> bool:
        """Whether a rule needs the user's orders of the last minute."""
        return any(map(is_of_the_minute, self.rules))

    @property
    def range_us(self) -> tuple[int, int]:
        """Start and end in microseconds."""
        question = self.question
        return (question.start - EPOCH) // MICROSECOND, (question.end - EPOCH) // MICROSECOND


async def prepare(connection: asyncpg.Connection, question: Question) -> Prepared:
    """Reads what the answer depends on.

    Raises InvalidRuleError for an empty range and for a draft whose list does not exist, UnknownNameError for an id.
    """
    if question.start >= question.end:
        raise InvalidRuleError("to: the end must be after the start; the range is [from, to)")
    book = await load_rulebook(connection)
    for draft in question.drafts:
        require_lists(draft, book.lists)
    versions = await connection.fetch(_VERSIONS, list(question.rule_ids))
    unknown = set(question.rule_ids) - {row["rule_id"] for row in versions}
    if unknown:
        raise UnknownNameError(f"there is no rule {', '.join(sorted(unknown))}")
    rules = (*question.drafts, *(parse_rule(row["definition"]) for row in versions))
    ends = {row["partition"]: row["next_offset"] for row in await connection.fetch(_ENDS)}
    return Prepared(question, rules, book.edition, ends)


def _lookback_us(rule: AnyRule) -> int:
    return MINUTE_SECONDS * 1_000_000 if is_of_the_minute(rule) else rule.lookback_us
