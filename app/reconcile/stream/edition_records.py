"""The rules and lists of every edition, and which edition judged which offset, as plain data.

Written from the descriptions of the kinds alone; it shares no code with the fraud desk.
"""

import json
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, NamedTuple

from app.reconcile.stream.json_values import SECOND_US
from app.topics import TRANSACTIONS

FIRST_EDITION: Final = 1
#: The rules that edition 1 has.
GUIDE_RULES: Final = ("high_value", "unusual_quantity", "rapid_transactions")
MINUTE_US: Final = 60 * SECOND_US
_YEAR_US: Final = 365 * 86_400 * SECOND_US
#: Kinds that look at the order alone, those that look back `seconds`; the rest look back a year.
ALONE: Final = ("amount", "quantity", "list")
WINDOWED: Final = ("velocity", "spend", "distinct", "card_testing")
YEARLY: Final = ("new_customer", "deviation", "new_category")
KINDS: Final = (*ALONE, *WINDOWED, *YEARLY)
#: Fields by which a list is compared as they were sent: an erased user's orders are stored under others.
SENT_FIELDS: Final = ("session_id", "card", "device", "ip", "email")


@dataclass(frozen=True, slots=True)
class RuleVersion:
    """A rule from `edition` on, until a newer version; `definition` is its JSON, numbers as int and Decimal."""

    rule_id: str
    version: int
    edition: int
    rank: int
    definition: Mapping[str, Any]

    @property
    def kind(self) -> str:
        """The name of its kind."""
        return str(self.definition["kind"])

    @property
    def state(self) -> str:
        """It is active, shadow or paused."""
        return str(self.definition.get("state", "shadow"))

    @property
    def severity(self) -> str:
        """How bad it is: low, medium, high or critical."""
        return str(self.definition.get("severity", "medium"))

    @property
    def weight(self) -> int:
        """Its share of the score."""
        return int(self.definition.get("weight", 50))

    @property
    def cooldown_us(self) -> int:
        """How long repeats are suppressed."""
        return int(self.definition.get("cooldown_minutes", 0)) * MINUTE_US

    @property
    def effect(self) -> str:
        """What being on its list means; empty for other kinds."""
        return str(self.definition.get("effect", "watch")) if self.kind == "list" else ""

    @property
    def lookback_us(self) -> int:
        """How far back it looks at the user's orders."""
        if self.kind in WINDOWED:
            return int(self.definition["seconds"]) * SECOND_US
        return _YEAR_US if self.kind in YEARLY else 0

    def amount(self, name: str) -> Decimal:
        """Returns an amount or a number with decimals among its parameters."""
        return Decimal(self.definition[name])

    @property
    def where(self) -> Mapping[str, Any]:
        """Its filters."""
        return dict(self.definition.get("where") or {})


class Entry(NamedTuple):
    """A value's state on a list from an edition on; `expires_us` is None if it never expires."""

    edition: int
    present: bool
    expires_us: int | None


class Judged(NamedTuple):
    """Offsets from `first_offset` on were judged by the edition."""

    first_offset: int
    edition: int


@dataclass(frozen=True, slots=True)
class Edition:
    """The rules that were judged by, by rank, and the scores from which an order is reviewed or blocked."""

    number: int
    rules: tuple[RuleVersion, ...]
    review_from: int
    block_from: int


@dataclass(slots=True)
class Editions:
    """Everything that was ever a rule or on a list.

    `thresholds` are (review_from, block_from) by edition, `entries` the states of a value by list and value, in the
    order of their editions, `judged` the ranges by partition, in the order of their offsets.
    """

    thresholds: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    versions: Sequence[RuleVersion] = ()
    entries: Mapping[tuple[str, str], Sequence[Entry]] = field(default_factory=dict)
    judged: Mapping[int, Sequence[Judged]] = field(default_factory=dict)
    _known: dict[int, Edition] = field(default_factory=dict)

    @property
    def lookback_us(self) -> int:
        """The furthest that any version looks back."""
        return max((version.lookback_us for version in self.versions), default=0)

    @property
    def cooldown_us(self) -> int:
        """The longest cool-down of any version."""
        return max((version.cooldown_us for version in self.versions), default=0)

    @property
    def cooling(self) -> frozenset[str]:
        """Rules that ever had a cool-down."""
        return frozenset(version.rule_id for version in self.versions if version.cooldown_us)

    @property
    def remembered(self) -> tuple[str, ...]:
        """Fields of earlier orders that some version compares."""
        fields = {str(v.definition["field"]) for v in self.versions if v.kind == "distinct"}
        fields |= {"category" for v in self.versions if v.kind == "new_category"}
        return tuple(sorted(fields))

    @property
    def remembers_amounts(self) -> bool:
        """Whether some version compares the amounts of earlier orders."""
        return any(v.kind in ("spend", "card_testing", "deviation") for v in self.versions)

    @property
    def compare_what_was_sent(self) -> list[str]:
        """Ids of the rules whose list is compared with fields that an erasure replaces."""
        found = {v.rule_id for v in self.versions if v.kind == "list" and v.definition["field"] in SENT_FIELDS}
        return sorted(found)

    def is_before_the_desk(self, partition: int, offset: int) -> bool:
        """Whether the offset was judged before editions were stored: it has no verdict."""
        ranges = self.judged.get(partition, ())
        return not ranges or offset < ranges[0].first_offset

    def of(self, partition: int, offset: int) -> Edition:
        """Returns the edition that judged an offset."""
        ranges = self.judged.get(partition, ())
        place = bisect_right(ranges, offset, key=lambda one: one.first_offset)
        number = ranges[place - 1].edition if place else FIRST_EDITION
        if number not in self._known:
            self._known[number] = self._edition(number)
        return self._known[number]

    def is_on(self, list_name: str, value: str | None, edition: int, time_us: int) -> bool:
        """Whether a value was on a list as of an edition, at a time."""
        if value is None:
            return False
        states = [entry for entry in self.entries.get((list_name, value), ()) if entry.edition <= edition]
        if not states or not states[-1].present:
            return False
        expires_us = states[-1].expires_us
        return expires_us is None or time_us < expires_us

    def _edition(self, number: int) -> Edition:
        newest: dict[str, RuleVersion] = {}
        for version in sorted(self.versions, key=lambda one: one.version):
            if version.edition <= number:
                newest[version.rule_id] = version
        rules = sorted(newest.values(), key=lambda one: one.rank)
        review_from, block_from = self.thresholds.get(number, (101, 101))
        return Edition(number, tuple(rule for rule in rules if rule.state != "paused"), review_from, block_from)


def editions_of(
    thresholds: Iterable[Any], rules: Iterable[Any], entries: Iterable[Any], judged: Iterable[Any]
) -> Editions:
    """Builds the editions from rows of their tables, in the order of the columns that `READ` names."""
    versions = [RuleVersion(row[0], row[1], row[2], row[3], json.loads(row[4], parse_float=Decimal)) for row in rules]
    states: defaultdict[tuple[str, str], list[Entry]] = defaultdict(list)
    for name, value, edition, present, expires_us in entries:
        states[name, value].append(Entry(edition, present, expires_us))
    for found in states.values():
        found.sort()
    ranges: defaultdict[int, list[Judged]] = defaultdict(list)
    for topic, partition, first_offset, edition in judged:
        if topic == TRANSACTIONS:
            ranges[partition].append(Judged(first_offset, edition))
    for partition in ranges:
        ranges[partition].sort()
    return Editions({row[0]: (row[1], row[2]) for row in thresholds}, versions, dict(states), dict(ranges))


#: The queries whose rows `editions_of` takes, in its order.
READ: Final = (
    "SELECT edition, review_from, block_from FROM fraud_editions",
    "SELECT rule_id, version, edition, rank, definition FROM fraud_rules",
    "SELECT list, value, edition, present, expires_at FROM fraud_list_entries",
    "SELECT topic, partition, first_offset, edition FROM judged_from",
)


def wrong_ranges(editions: Editions, next_offsets: Mapping[tuple[str, int], int]) -> list[str]:
    """Says which ranges cannot be: editions must exist and rise with the offsets, none beyond the ledger."""
    wrong: list[str] = []
    for partition, ranges in sorted(editions.judged.items()):
        before = 0
        for first_offset, edition in ranges:
            place = f"{TRANSACTIONS}[{partition}]@{first_offset}"
            if edition not in editions.thresholds:
                wrong.append(f"{place}: there is no edition {edition}")
            if edition <= before:
                wrong.append(f"{place}: edition {edition} follows {before}")
            if first_offset >= next_offsets.get((TRANSACTIONS, partition), 0):
                wrong.append(f"{place}: edition {edition} begins beyond the ledger")
            before = edition
    return wrong
