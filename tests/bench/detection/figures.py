"""What verdicts are worth, compared with the truth. An order is stopped if its action is review or block."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from app.domain.money import decimal_from_cents
from app.events.topics.transactions import TransactionRow
from app.fraud.verdicts import ALLOW, Verdict
from app.generator.attacks_truth import FRAUD
from tests.bench.detection.orders import LabOrders


@dataclass(slots=True)
class Counted:
    """Orders and money of one group: all, those that are stopped, and the alerts."""

    orders: int = 0
    stopped: int = 0
    cents: int = 0
    stopped_cents: int = 0

    def add(self, row: TransactionRow, stopped: bool) -> None:
        """Counts an order."""
        self.orders += 1
        self.cents += row.amount_cents
        if stopped:
            self.stopped += 1
            self.stopped_cents += row.amount_cents


@dataclass(slots=True)
class RuleCounted:
    """Orders that raised one rule, with whatever others, and their money."""

    fraud: int = 0
    innocent: int = 0
    caught_cents: int = 0
    #: Of innocent orders that were stopped.
    wrong_cents: int = 0

    def add(self, other: "RuleCounted") -> None:
        """Adds the orders of another seed."""
        self.fraud += other.fraud
        self.innocent += other.innocent
        self.caught_cents += other.caught_cents
        self.wrong_cents += other.wrong_cents

    def report(self, all_fraud: int) -> dict[str, Any]:
        """Returns the figures for JSON, named as `GET /rules/{id}/performance` does."""
        return {
            "raised": self.fraud + self.innocent,
            "fraud": self.fraud,
            "legitimate": self.innocent,
            "precision": _share(self.fraud, self.fraud + self.innocent),
            "recall": _share(self.fraud, all_fraud),
            "money_caught": str(decimal_from_cents(self.caught_cents)),
            "money_wrongly_stopped": str(decimal_from_cents(self.wrong_cents)),
        }


@dataclass(slots=True)
class Tally:
    """The figures of one seed or of several; `groups` are by attack, look-alike, and "" for all other orders."""

    groups: defaultdict[tuple[bool, str], Counted] = field(default_factory=lambda: defaultdict(Counted))
    rules: defaultdict[str, RuleCounted] = field(default_factory=lambda: defaultdict(RuleCounted))
    alerts: int = 0
    attacks: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    #: Of each attack that was detected: orders from its first to the first stopped one, and the minutes between.
    detected: defaultdict[str, list[tuple[int, float]]] = field(default_factory=lambda: defaultdict(list))

    def add(self, other: "Tally") -> None:
        """Adds the figures of another seed."""
        for key, counted in other.groups.items():
            mine = self.groups[key]
            mine.orders += counted.orders
            mine.stopped += counted.stopped
            mine.cents += counted.cents
            mine.stopped_cents += counted.stopped_cents
        for rule_id, raised in other.rules.items():
            self.rules[rule_id].add(raised)
        self.alerts += other.alerts
        for name, number in other.attacks.items():
            self.attacks[name] += number
        for name, found in other.detected.items():
            self.detected[name] += found

    def report(self) -> dict[str, Any]:
        """Returns the figures for JSON; shares are None where there is nothing to share."""
        fraud = _sum(counted for (is_fraud, _), counted in self.groups.items() if is_fraud)
        innocent = _sum(counted for (is_fraud, _), counted in self.groups.items() if not is_fraud)
        orders = fraud.orders + innocent.orders
        return {
            "orders": orders,
            "fraud_orders": fraud.orders,
            "precision": _share(fraud.stopped, fraud.stopped + innocent.stopped),
            "recall": _share(fraud.stopped, fraud.orders),
            "money_of_fraud": str(decimal_from_cents(fraud.cents)),
            "money_caught": str(decimal_from_cents(fraud.stopped_cents)),
            "money_caught_share": _share(fraud.stopped_cents, fraud.cents),
            "money_wrongly_stopped": str(decimal_from_cents(innocent.stopped_cents)),
            "money_wrongly_stopped_share": _share(innocent.stopped_cents, innocent.cents),
            "alerts_per_1000_orders": round(1000 * self.alerts / orders, 2),
            "rules": {rule_id: raised.report(fraud.orders) for rule_id, raised in sorted(self.rules.items())},
            "attacks": {name: self._attack(name) for name in sorted(self.attacks)},
            "innocent": {
                name or "other": {"orders": counted.orders, "stopped": counted.stopped}
                for (is_fraud, name), counted in sorted(self.groups.items())
                if not is_fraud
            },
        }

    def _attack(self, name: str) -> dict[str, Any]:
        counted, found = self.groups[True, name], self.detected[name]
        return {
            "attacks": self.attacks[name],
            "detected": _share(len(found), self.attacks[name]),
            "orders": counted.orders,
            "recall": _share(counted.stopped, counted.orders),
            "money_caught_share": _share(counted.stopped_cents, counted.cents),
            "median_orders_to_detect": median(orders for orders, _ in found) if found else None,
            "median_minutes_to_detect": round(median(minutes for _, minutes in found), 1) if found else None,
        }


def tally(orders: LabOrders, verdicts: Mapping[str, Verdict]) -> Tally:
    """Compares verdicts, by order, with the truth."""
    result = Tally()
    campaigns: defaultdict[tuple[str, int], list[tuple[int, bool]]] = defaultdict(list)
    for partition in orders.partitions:
        for row, timestamp_us in zip(partition.rows, partition.timestamps_us, strict=True):
            verdict, truth = verdicts.get(row.transaction_id), orders.truth.get(row.transaction_id)
            stopped = verdict is not None and verdict.action != ALLOW
            result.alerts += verdict is not None and verdict.opens_case
            is_fraud = truth is not None and truth.label == FRAUD
            result.groups[is_fraud, "" if truth is None else truth.attack].add(row, stopped)
            for reason in () if verdict is None else verdict.reasons:
                raised = result.rules[reason.raised.version.rule.id]
                if is_fraud:
                    raised.add(RuleCounted(fraud=1, caught_cents=row.amount_cents))
                else:
                    raised.add(RuleCounted(innocent=1, wrong_cents=row.amount_cents if stopped else 0))
            if truth is not None and is_fraud:
                campaigns[truth.attack, truth.campaign].append((timestamp_us, stopped))
    for (name, _), sent in campaigns.items():
        result.attacks[name] += 1
        sent.sort()
        first = next((place for place, (_, stopped) in enumerate(sent) if stopped), None)
        if first is not None:
            result.detected[name].append((first + 1, (sent[first][0] - sent[0][0]) / 60_000_000))
    return result


def _sum(groups: Iterable[Counted]) -> Counted:
    total = Counted()
    for counted in groups:
        total.orders += counted.orders
        total.stopped += counted.stopped
        total.cents += counted.cents
        total.stopped_cents += counted.stopped_cents
    return total


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None
