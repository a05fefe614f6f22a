"""The answer to a test on history: what a rule would have raised, summed up while the orders are judged."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from itertools import chain, zip_longest
from typing import Any, Final, NamedTuple

from app.domain.money import decimal_from_cents
from app.domain.names import name_or_unknown
from app.fraud.backtest.question import Question
from app.fraud.backtest.unit_judge import Finding

EXAMPLES: Final = 10
#: A rule that raises on so many orders of the last day floods whoever looks at cases.
WARN_FROM: Final = Decimal("0.10")
_SHARE_PLACES: Final = Decimal("0.0001")
_FRAUD: Final = "fraud"


class Example(NamedTuple):
    """An order that the rule would have raised, and why; examples sort by time, then place."""

    timestamp: datetime
    partition: int
    offset: int
    transaction_id: str
    user_id: str
    amount: Decimal
    country: str
    rule_version: int
    measure: Decimal
    threshold: Decimal
    score: Decimal
    description: str
    suppressed: bool


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of orders of the range: rules that have raised them, and labels."""

    anomalies: Mapping[str, tuple[str, ...]]
    labels: Mapping[str, str]


@dataclass(slots=True)
class Tally:
    """What one rule raised; tallies of parts of the orders add up. Amounts are in cents."""

    suppressed: int = 0
    days: Counter[date] = field(default_factory=Counter)
    day_cents: Counter[date] = field(default_factory=Counter)
    countries: Counter[str] = field(default_factory=Counter)
    country_cents: Counter[str] = field(default_factory=Counter)
    overlap: Counter[str] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)
    examples: dict[int, list[Example]] = field(default_factory=dict)

    def add(self, finding: Finding, known: Known, question: Question) -> None:
        """Counts an order that the rule raised."""
        row = finding.row
        day, country = row.timestamp.astimezone(UTC).date(), name_or_unknown(row.country)
        self.suppressed += finding.suppressed
        self.days[day] += 1
        self.day_cents[day] += row.amount_cents
        self.countries[country] += 1
        self.country_cents[country] += row.amount_cents
        own = finding.raised.version.rule.id
        self.overlap.update(rule for rule in known.anomalies.get(row.transaction_id, ()) if rule != own)
        label = known.labels.get(row.transaction_id)
        if label is not None:
            self.labels[label] += 1
        part = EXAMPLES * (row.timestamp - question.start) // (question.end - question.start)
        kept = self.examples.setdefault(part, [])
        if len(kept) < EXAMPLES or row.timestamp < kept[-1].timestamp:
            kept.append(_example(finding, country))
            kept.sort()
            del kept[EXAMPLES:]

    def merge(self, other: "Tally") -> None:
        """Adds what another part of the orders raised."""
        self.suppressed += other.suppressed
        for name in ("days", "day_cents", "countries", "country_cents", "overlap", "labels"):
            getattr(self, name).update(getattr(other, name))
        for part, examples in other.examples.items():
            self.examples[part] = sorted([*self.examples.get(part, []), *examples])[:EXAMPLES]

    def chosen_examples(self) -> list[Example]:
        """The first of each tenth of the range, then the second of each, until there are ten; by time."""
        rounds = zip_longest(*(self.examples[part] for part in sorted(self.examples)))
        spread = [example for example in chain.from_iterable(rounds) if example is not None]
        return sorted(spread[:EXAMPLES])


@dataclass(slots=True)
class Stored:
    """The orders of the range, by UTC day, and how many of them have which label."""

    days: Counter[date] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)

    def merge(self, other: "Stored") -> None:
        """Adds other orders."""
        self.days.update(other.days)
        self.labels.update(other.labels)


def answer(rule_id: str, question: Question, tally: Tally, stored: Stored) -> dict[str, Any]:
    """Returns the answer for one rule; amounts, shares and measures are decimal texts, times ISO 8601."""
    orders, raised = stored.days.total(), tally.days.total()
    last_day = max(stored.days, default=None)
    share = share_of(tally.days[last_day], stored.days[last_day]) if last_day else None
    return {
        "rule_id": rule_id,
        "from": _time(question.start),
        "to": _time(question.end),
        "lists": "now" if question.lists_now else "as they were",
        "orders_in_range": orders,
        "orders": raised,
        "money": str(decimal_from_cents(tally.day_cents.total())),
        "share": _text(share_of(raised, orders)),
        "suppressed": tally.suppressed,
        "last_day": last_day
        and {
            "day": str(last_day),
            "orders_in_range": stored.days[last_day],
            "orders": tally.days[last_day],
            "share": _text(share),
        },
        "warning": warning(share or Decimal(0), f"the orders of {last_day}"),
        "by_day": _sums("day", sorted(tally.days.items()), tally.day_cents),
        "by_country": _sums("country", _most_first(tally.countries), tally.country_cents),
        "overlap": [{"rule_id": name, "orders": count} for name, count in _most_first(tally.overlap)],
        "labels": _confusion(tally.labels, stored.labels),
        "examples": [_shown(example) for example in tally.chosen_examples()],
    }


def warning(share: Decimal, orders: str) -> str | None:
    """Says that a rule would raise a large share of some orders; None for a share that people can look at."""
    if share < WARN_FROM:
        return None
    return f"it would raise {share * 100:.1f} % of {orders}: its limits are low for a rule"


def share_of(part: int, whole: int) -> Decimal | None:
    """Returns the share with four places; None of nothing."""
    return (Decimal(part) / whole).quantize(_SHARE_PLACES, rounding=ROUND_HALF_UP) if whole else None


def _example(finding: Finding, country: str) -> Example:
    row, raised = finding.row, finding.raised
    return Example(
        row.timestamp,
        finding.partition,
        row.source_offset,
        row.transaction_id,
        row.user_id,
        decimal_from_cents(row.amount_cents),
        country,
        raised.version.version,
        raised.measure,
        raised.threshold,
        raised.score,
        raised.description,
        finding.suppressed,
    )


def _shown(example: Example) -> dict[str, Any]:
    values = example._asdict()
    for name, value in values.items():
        if isinstance(value, Decimal):
            values[name] = str(value)
        elif isinstance(value, datetime):
            values[name] = _time(value)
    return values


def _confusion(raised: Counter[str], labelled: Counter[str]) -> dict[str, Any] | None:
    """The labelled orders: raised or not, fraud or not; None without labels."""
    if not labelled:
        return None
    caught, wrong = raised[_FRAUD], raised.total() - raised[_FRAUD]
    frauds = labelled[_FRAUD]
    return {
        "true_positives": caught,
        "false_positives": wrong,
        "false_negatives": frauds - caught,
        "true_negatives": labelled.total() - frauds - wrong,
        "precision": _text(share_of(caught, caught + wrong)),
        "recall": _text(share_of(caught, frauds)),
    }


def _sums(name: str, counts: Iterable[tuple[Any, int]], cents: Counter[Any]) -> list[dict[str, Any]]:
    return [{name: str(key), "orders": count, "money": str(decimal_from_cents(cents[key]))} for key, count in counts]


def _most_first(counts: Counter[str]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def _text(value: Decimal | None) -> str | None:
    return None if value is None else str(value)


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
