"""The detection part: starter rules and the guide's three against attacks, on the tuned seed and on others."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from app.fraud.rulebook import Rulebook, RuleVersion, guide_rules
from app.fraud.rules import AnyRule
from app.fraud.starter_rules import STARTER_LIST, starter_rules
from app.settings import Settings
from tests.bench.detection.figures import Tally, tally
from tests.bench.detection.judging import judge_partition
from tests.bench.detection.orders import DAYS, PARTITIONS, LabOrders, lab_settings, make_orders

TUNED_ON: Final = 1
REPORTED_ON: Final = (2, 3, 4, 5)
ORDERS: Final = 200_000
USERS: Final = 40_000


def rulebook_of(rules: Sequence[AnyRule]) -> Rulebook:
    """Returns a rulebook of these rules, with the starter list empty."""
    return Rulebook(1, tuple(RuleVersion(rule, 1) for rule in rules), {STARTER_LIST: {}})


def judged(rulebook: Rulebook, orders: LabOrders) -> Tally:
    """Judges all orders and compares with the truth."""
    verdicts = {
        row.transaction_id: verdict
        for partition in orders.partitions
        for row, verdict in judge_partition(rulebook, partition)
    }
    return tally(orders, verdicts)


def measure_detection(orders: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Generates, judges and compares; the report by rule set."""
    settings = Settings({})
    books = {"starter_rules": rulebook_of(starter_rules()), "guide_rules": rulebook_of(guide_rules(settings.anomaly))}
    report: dict[str, Any] = {
        "days": DAYS,
        "partitions": PARTITIONS,
        "users": USERS,
        "attack_share": settings.generator.attack_share,
        "lookalike_share": settings.generator.lookalike_share,
        "tuned_on_seed": TUNED_ON,
        "rule_sets": {name: {"seeds": {}} for name in books},
    }
    overall = {name: Tally() for name in books}
    for seed in (TUNED_ON, *REPORTED_ON):
        made = make_orders(lab_settings(seed, orders, USERS))
        for name, book in books.items():
            found = judged(book, made)
            report["rule_sets"][name]["seeds"][str(seed)] = found.report()
            if seed != TUNED_ON:
                overall[name].add(found)
        say(f"Seed {seed} judged")
    for name, total in overall.items():
        report["rule_sets"][name]["overall"] = total.report()
    return report


def print_detection(console: Console, report: Mapping[str, Any]) -> None:
    """Prints a row per rule set and seed, then the attacks of all seeds but the tuned one."""
    columns = ("precision", "recall", "money_caught_share", "money_wrongly_stopped_share", "alerts_per_1000_orders")
    table = Table("rules", "seed", *columns, title="Detection")
    attacks = Table("rules", "attack", "attacks", "detected", "recall", "money caught", "orders", "minutes")
    for name, rules in report["rule_sets"].items():
        for seed, figures in (*rules["seeds"].items(), ("all others", rules["overall"])):
            shown = f"{seed} (tuned)" if seed == str(report["tuned_on_seed"]) else seed
            table.add_row(name, shown, *(str(figures[column]) for column in columns))
        for attack, figures in rules["overall"]["attacks"].items():
            attacks.add_row(name, attack, *(str(figures[column]) for column in figures if column != "orders"))
    console.print(table)
    console.print(attacks)
