"""What rules cost: the worker's events per second on one backlog, by the guide's three, all kinds, and each kind alone.

Every rule is active, with limits that ordinary orders seldom reach, so that the cost is that of looking and not of
storing. A kind is measured with the guide's three. Latency at the guide's rates follows, without and with all kinds.
"""

import asyncio
from argparse import Namespace
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from statistics import median
from typing import Any, Final

import asyncpg
from rich.console import Console
from rich.table import Table

from app.fraud.editions import ListEntry, RuleDesk
from app.fraud.rules import (
    Amount,
    AnyRule,
    CardTesting,
    Deviation,
    Distinct,
    Listed,
    NewCategory,
    NewCustomer,
    Quantity,
    Spend,
    Velocity,
    Where,
)
from app.postgres.migrate import migrate
from app.settings import load_settings
from compose.embedded.ports import choose_port
from compose.embedded.postgres_server import OWNER, SUPERUSER
from compose.embedded.stack import EmbeddedStack
from tests.bench.databases import fresh_database
from tests.bench.environments import LEDGER, WORKER, child_environment
from tests.bench.latency import caught_up, measure_latency, running_worker, time_fsyncs
from tests.bench.measuring import Contender, Measured, run_contender
from tests.bench.records import fill_transactions

GUIDE: Final = "guide"
ALL_KINDS: Final = "all_kinds"
_LIST: Final = "bench_devices"
_ACTIVE: Final[dict[str, Any]] = {"state": "active", "weight": 10}
#: A rule of each kind, by kind.
RULES: Final[Mapping[str, AnyRule]] = {
    "amount": Amount(
        id="bench_amount", name="a", above=Decimal("5000.00"), where=Where(country_in=["Nowhere"]), **_ACTIVE
    ),
    "quantity": Quantity(id="bench_quantity", name="q", at_least=50, **_ACTIVE),
    "velocity": Velocity(id="bench_velocity", name="v", more_than=300, seconds=86_400, **_ACTIVE),
    "spend": Spend(id="bench_spend", name="s", above=Decimal("40000.00"), seconds=3_600, **_ACTIVE),
    "distinct": Distinct(id="bench_distinct", name="d", field="country", at_least=3, seconds=7_200, **_ACTIVE),
    "card_testing": CardTesting(
        id="bench_card_testing",
        name="c",
        at_least=5,
        below=Decimal("2.00"),
        above=Decimal("100.00"),
        seconds=600,
        **_ACTIVE,
    ),
    "new_customer": NewCustomer(id="bench_new_customer", name="n", above=Decimal("1000.00"), **_ACTIVE),
    "deviation": Deviation(
        id="bench_deviation",
        name="d",
        deviations=Decimal(6),
        orders=50,
        at_least=5,
        where=Where(amount_from=Decimal("300.00")),
        **_ACTIVE,
    ),
    "new_category": NewCategory(id="bench_new_category", name="n", above=Decimal("500.00"), at_least=5, **_ACTIVE),
    "list": Listed(id="bench_list", name="l", field="device", list=_LIST, **_ACTIVE),
}


def rule_sets(kinds: Sequence[str] = tuple(RULES)) -> dict[str, list[AnyRule]]:
    """Returns the rules added to the guide's three, by contender."""
    return {GUIDE: [], ALL_KINDS: list(RULES.values()), **{kind: [RULES[kind]] for kind in kinds}}


def run_rules(console: Console, options: Namespace) -> dict[str, Any]:
    """Measures every rule set in turn, in `options.rounds` rounds; the report."""
    var_dir = Path("var/bench-rules")
    with EmbeddedStack(
        var_dir, services=("kafka", "postgres"), fresh=True, preferred_ports=False, report=console.log
    ) as stack:
        return _RulesBench(stack, console, var_dir / "logs", options).run()


class _RulesBench:
    def __init__(self, stack: EmbeddedStack, console: Console, logs: Path, options: Namespace) -> None:
        self._stack, self._console, self._logs = stack, console, logs
        self._events, self._rounds, self._seconds = options.events, options.rounds, options.duration
        self._sets = rule_sets(options.rules_kinds)
        self._environment = child_environment(stack)
        self._settings = load_settings(self._environment)
        logs.mkdir(parents=True, exist_ok=True)

    def run(self) -> dict[str, Any]:
        asyncio.run(self._prepare())
        fill_transactions(self._settings, self._environment, self._events)
        runs: dict[str, list[Measured]] = {name: [] for name in self._sets}
        for number in range(self._rounds):
            for name in self._sets if number % 2 == 0 else reversed(self._sets):
                measured = asyncio.run(self._round(name, number))
                runs[name].append(measured)
                self._console.log(f"{name}: {measured.events_per_second:,.0f} events/s")
        users, orders_per_user = asyncio.run(self._population())
        latencies = asyncio.run(self._latencies())
        return {
            "events": self._events,
            "users_in_backlog": users,
            "orders_per_user": round(orders_per_user, 2),
            "throughput": {name: _summary(measured) for name, measured in runs.items()},
            "ratios": {f"{name}_to_guide": _ratio(runs, name) for name in self._sets if name != GUIDE},
            "latency_seconds": latencies,
            "all_kinds_to_guide_p99": _p99_ratio(latencies),
        }

    async def _prepare(self) -> None:
        """Makes a migrated database with the rules of each set."""
        await migrate(self._settings.postgres)
        for name, rules in self._sets.items():
            await fresh_database(self._stack.postgres, _template(name), self._settings.postgres.database)
            connection = await asyncpg.connect(self._stack.postgres.dsn(OWNER, _template(name)))
            desk = RuleDesk(connection, "bench")
            if any(isinstance(rule, Listed) for rule in rules):
                await desk.make_list(_LIST, "bench")
                await desk.put_entries(_LIST, [ListEntry(f"device{n}") for n in range(1_000)], "bench")
            for rule in rules:
                await desk.set_rule(rule, "bench")
            await connection.close()

    async def _round(self, name: str, number: int) -> Measured:
        database = _run(name, number)
        await fresh_database(self._stack.postgres, database, _template(name))
        contender = Contender(name, WORKER, LEDGER, self._events)
        dsn = self._stack.postgres.dsn(database=database)
        return await run_contender(contender, self._for(database), dsn, self._logs / f"{database}.log")

    def _for(self, database: str) -> dict[str, str]:
        return {
            **self._environment,
            "GLOBALMART_POSTGRES_DATABASE": database,
            "GLOBALMART_KAFKA_GROUP": database,
            "GLOBALMART_WORKER_METRICS_PORT": str(choose_port()),
        }

    async def _latencies(self) -> dict[str, list[dict[str, Any]]]:
        """Latency of live traffic in turn, by rule set, after the backlog."""
        server = self._stack.postgres.dsn(SUPERUSER, "postgres")
        await time_fsyncs(server)
        found: dict[str, list[dict[str, Any]]] = {GUIDE: [], ALL_KINDS: []}
        for number in range(self._rounds):
            for name in found if number % 2 == 0 else reversed(found):
                database = f"latency_{name}_{number}"
                await fresh_database(self._stack.postgres, database, _template(name))
                environment = self._for(database)
                with running_worker(environment, self._logs / f"{database}.log"):
                    await caught_up(self._stack.postgres.dsn(database=database))
                    port = int(environment["GLOBALMART_WORKER_METRICS_PORT"])
                    measured = await measure_latency(environment, port, self._seconds, server, nullcontext())
                found[name].append(measured)
                self._console.log(f"{name}: p50 {1000 * measured['p50']:.0f} ms, p99 {1000 * measured['p99']:.0f} ms")
        return found

    async def _population(self) -> tuple[int, float]:
        connection = await asyncpg.connect(self._stack.postgres.dsn(database=_run(GUIDE, 0)))
        row = await connection.fetchrow(
            "SELECT count(DISTINCT user_id) AS users, count(*)::FLOAT8 / count(DISTINCT user_id) AS each"
            " FROM transactions"
        )
        await connection.close()
        assert row is not None, "an aggregate has a row"
        return row["users"], row["each"]


def print_rules(console: Console, report: Mapping[str, Any]) -> None:
    """Prints a row per rule set."""
    title = f"Rules, {report['users_in_backlog']:,} users with {report['orders_per_user']} orders each"
    table = Table("rules", "events/s", "CPU us/event", "to guide", title=title)
    for name, figures in report["throughput"].items():
        ratio = report["ratios"].get(f"{name}_to_guide", 1.0)
        table.add_row(
            name, f"{figures['events_per_second']:,.0f}", f"{figures['cpu_us_per_event']:.1f}", f"{ratio:.2f}"
        )
    console.print(table)
    for name, runs in report["latency_seconds"].items():
        p50, p99 = (1000 * median(run[quantile] for run in runs) for quantile in ("p50", "p99"))
        console.print(f"{name}: p50 {p50:.0f} ms, p99 {p99:.0f} ms")


def _template(name: str) -> str:
    return f"rules_{name}"


def _run(name: str, number: int) -> str:
    return f"run_{name}_{number}"


def _summary(runs: Sequence[Measured]) -> dict[str, Any]:
    medians = {name: round(median(getattr(run, name) for run in runs), 1) for name in _FIELDS}
    return {**medians, "runs": [asdict(run) for run in runs]}


_FIELDS: Final = ("events_per_second", "cpu_us_per_event", "server_cpu_us_per_event", "peak_rss_mb")


def _ratio(runs: Mapping[str, Sequence[Measured]], name: str) -> float:
    """Median of the round-by-round ratios of events per second."""
    pairs = zip(runs[name], runs[GUIDE], strict=True)
    return round(median(one.events_per_second / guide.events_per_second for one, guide in pairs), 3)


def _p99_ratio(latencies: Mapping[str, Sequence[Mapping[str, Any]]]) -> float:
    """Median of the round-by-round ratios of p99, all kinds to the guide's three."""
    pairs = zip(latencies[ALL_KINDS], latencies[GUIDE], strict=True)
    ratios = [float(one["p99"] / guide["p99"]) for one, guide in pairs]
    return round(median(ratios), 3)
