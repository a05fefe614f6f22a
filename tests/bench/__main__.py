"""Runs the benchmark and writes `var/bench.json`."""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

import asyncpg
from rich.console import Console
from rich.table import Table

from app.errors import GlobalMartError
from app.postgres.migrate import migrate
from app.settings import load_settings
from compose.embedded.ports import choose_port
from compose.embedded.postgres_server import SUPERUSER
from compose.embedded.stack import EmbeddedStack
from tests.bench import plain_faust
from tests.bench.api.part import run_api
from tests.bench.databases import fresh_database
from tests.bench.delaying_proxy import delaying_proxy
from tests.bench.detection.part import ORDERS, measure_detection, print_detection
from tests.bench.environments import FAUST, LEDGER, WORKER, child_environment
from tests.bench.latency import caught_up, measure_latency, running_worker, time_fsyncs
from tests.bench.measuring import Contender, Measured, run_contender
from tests.bench.nightly.run import measure_nightly
from tests.bench.peers.part import STEPS, Sizes, run_peers
from tests.bench.peers.tables import print_peers
from tests.bench.records import fill_transactions
from tests.bench.rules import RULES, print_rules, run_rules
from tests.bench.slow_machine import slow_machine

_REPORT = Path("var/bench.json")
#: The guide's databases are behind a network; the machine on which this was too slow had a third of this one's speed.
_NETWORK_SECONDS = 0.001
_TIMES_SLOWER = 3.3


def main() -> None:
    """Parse the options and run."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--events", type=int, default=300_000, help="transactions in the topic")
    parser.add_argument("--plain-events", type=int, default=3_000, help="share of the plain agent")
    parser.add_argument("--rounds", type=int, default=3, help="interleaved runs of each contender")
    parser.add_argument("--duration", type=float, default=30, help="seconds of the latency part")
    parser.add_argument("--orders", type=int, default=5_000_000, help="stored for the API part")
    parser.add_argument("--api-seconds", type=float, default=60, help="seconds of the API part")
    parser.add_argument(
        "--nightly-orders",
        type=int,
        nargs="+",
        default=[50_000, 1_000_000, 5_000_000],
        help="sizes of the nightly part",
    )
    parser.add_argument("--nightly-rounds", type=int, default=1, help="fresh sessions per size")
    parser.add_argument(
        "--nightly-extract", action=argparse.BooleanOptionalAction, default=True, help="measure the extract, too"
    )
    parser.add_argument("--peers-orders", type=int, default=200_000, help="transactions of the peers part")
    parser.add_argument("--peers-steps", choices=STEPS, nargs="+", default=list(STEPS), help="steps of the peers part")
    parser.add_argument("--detection-orders", type=int, default=ORDERS, help="orders per seed of the detection part")
    parser.add_argument(
        "--rules-kinds", choices=RULES, nargs="*", default=list(RULES), help="kinds that the rules part measures alone"
    )
    parser.add_argument("--only", choices=_PARTS, help="one part alone; the report keeps the others")
    options = parser.parse_args()
    parts = [options.only] if options.only else list(_PARTS)
    report = {} if options.only is None else _former_report()
    try:
        for part in parts:
            report |= _PARTS[part](Console(stderr=True), options)
            _REPORT.parent.mkdir(parents=True, exist_ok=True)
            _REPORT.write_text(json.dumps(report, indent=2) + "\n")
    finally:
        _print(report)


def _stream(console: Console, options: argparse.Namespace) -> dict[str, Any]:
    var_dir = Path("var/bench")
    with EmbeddedStack(
        var_dir, services=("kafka", "postgres"), fresh=True, preferred_ports=False, report=console.log
    ) as stack:
        return Bench(stack, console, var_dir).run(options)


def _api(console: Console, options: argparse.Namespace) -> dict[str, Any]:
    seconds, var_dir = options.api_seconds, Path("var/bench-api")
    return {"api": run_api(console, options.orders, seconds, var_dir)}


def _nightly(console: Console, options: argparse.Namespace) -> dict[str, Any]:
    sizes, rounds = options.nightly_orders, options.nightly_rounds
    var_dir, extracts = Path("var/bench/nightly"), options.nightly_extract
    return {"nightly": measure_nightly(var_dir, sizes, rounds, extracts, console.log)}


def _peers(console: Console, options: argparse.Namespace) -> dict[str, Any]:
    sizes = Sizes(options.peers_orders, options.rounds, options.duration)
    all_steps = set(options.peers_steps) == set(STEPS)
    former = {} if all_steps else _former_report().get("peers", {})
    try:
        return {"peers": run_peers(child_environment, sizes, options.peers_steps, former, console.log)}
    except GlobalMartError as error:
        raise SystemExit(f"The part peers was not run: {error}") from error


def _detection(console: Console, options: argparse.Namespace) -> dict[str, Any]:
    return {"detection": measure_detection(options.detection_orders, console.log)}


def _rules(console: Console, options: argparse.Namespace) -> dict[str, Any]:
    return {"rules": run_rules(console, options)}


#: What can be run alone, and its share of the report.
_PARTS: Mapping[str, Callable[[Console, argparse.Namespace], dict[str, Any]]] = {
    "stream": _stream,
    "api": _api,
    "nightly": _nightly,
    "peers": _peers,
    "detection": _detection,
    "rules": _rules,
}


def _former_report() -> dict[str, Any]:
    report: dict[str, Any] = json.loads(_REPORT.read_text()) if _REPORT.exists() else {}
    return report


class Bench:
    """The parts of a benchmark run on one stack."""

    def __init__(self, stack: EmbeddedStack, console: Console, var_dir: Path) -> None:
        self._stack = stack
        self._console = console
        self._logs = var_dir / "logs"
        self._environment = child_environment(stack)
        self._settings = load_settings(self._environment)

    def run(self, options: argparse.Namespace) -> dict[str, Any]:
        """Throughput of all contenders, then latency; the report."""
        asyncio.run(self._migrate())
        self._console.log(f"Filling the topic with {options.events:,} transactions")
        fill_transactions(self._settings, self._environment, options.events)
        runs: dict[str, list[Measured]] = {}
        for number in range(options.rounds):
            for contender in _contenders(options.events, options.plain_events):
                measured = asyncio.run(self._round(contender, number))
                runs.setdefault(contender.name, []).append(measured)
                self._console.log(f"{contender.name}: {measured.events_per_second:,.0f} events/s")
        return {
            "broker": "Apache Kafka",
            "cores": os.cpu_count(),
            "throughput": {name: _summary(measured) for name, measured in runs.items()},
            "ratios": _ratios(runs),
            "latency_seconds": asyncio.run(self._latencies(options.duration)),
        }

    async def _migrate(self) -> None:
        await migrate(self._settings.postgres)
        connection = await asyncpg.connect(self._stack.postgres.dsn())
        await connection.execute(plain_faust.CREATE_TABLES)
        await connection.close()

    async def _round(self, contender: Contender, number: int) -> Measured:
        database = f"bench_{contender.name}_{number}"
        await fresh_database(self._stack.postgres, database, self._settings.postgres.database)
        dsn = self._stack.postgres.dsn(database=database)
        log = self._logs / f"{database}.log"
        environment = self._for(database)
        if contender.name == "plain_faust":
            plain_faust.create_changelogs(load_settings(environment))
        return await run_contender(contender, environment, dsn, log)

    def _for(self, database: str) -> dict[str, str]:
        return {
            **self._environment,
            "GLOBALMART_POSTGRES_DATABASE": database,
            "GLOBALMART_KAFKA_GROUP": database,
            "GLOBALMART_WORKER_METRICS_PORT": str(choose_port()),
        }

    async def _latencies(self, seconds: float) -> dict[str, Any]:
        """Latency on this machine as it is, with a network before PostgreSQL, and on a slower machine."""
        server = self._stack.postgres.dsn(SUPERUSER, "postgres")
        await time_fsyncs(server)
        plain = await self._latency("plain", seconds, server, nullcontext())
        with delaying_proxy(self._stack.postgres.port, _NETWORK_SECONDS) as port:
            environment = {"GLOBALMART_POSTGRES_PORT": str(port)}
            network = await self._latency("network", seconds, server, nullcontext(), environment)
        slow = await self._latency("slow", seconds, server, slow_machine(_TIMES_SLOWER))
        return {
            **plain,
            f"with_{_NETWORK_SECONDS * 1000:.0f}_ms_to_postgresql": network,
            f"on_a_machine_{_TIMES_SLOWER}_times_slower": slow,
            "network_to_loopback_p99": round(network["p99"] / plain["p99"], 2),
        }

    async def _latency(
        self,
        name: str,
        seconds: float,
        server: str,
        condition: AbstractContextManager[Any],
        environment: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        database = f"bench_latency_{name}"
        await fresh_database(self._stack.postgres, database, self._settings.postgres.database)
        environment = {**self._for(database), **(environment or {})}
        with running_worker(environment, self._logs / f"latency_{name}.log"):
            await caught_up(self._stack.postgres.dsn(database=database))
            port = int(environment["GLOBALMART_WORKER_METRICS_PORT"])
            self._console.log(f"Latency ({name}) at the guide's rates for {seconds:.0f} s")
            return await measure_latency(environment, port, seconds, server, condition)


def _contenders(events: int, plain_events: int) -> list[Contender]:
    module = [sys.executable, "-m"]
    plain = "SELECT count(*) FROM plain_transactions"
    return [
        Contender("worker", WORKER, LEDGER, events),
        Contender("bare_limit", [*module, "tests.bench.bare_limit"], LEDGER, events),
        Contender(
            "plain_faust",
            [*FAUST, "tests.bench.plain_faust", "worker", "-l", "warn", "--without-web"],
            plain,
            plain_events,
        ),
    ]


def _summary(runs: list[Measured]) -> dict[str, Any]:
    fields = ("events_per_second", "cpu_us_per_event", "peak_rss_mb")
    medians = {name: round(median(getattr(run, name) for run in runs), 1) for name in fields}
    return {"events": runs[0].events, **medians, "runs": [asdict(run) for run in runs]}


def _ratios(runs: Mapping[str, list[Measured]]) -> dict[str, float]:
    """Medians of the round-by-round ratios of events per second."""

    def ratio(other: str) -> float:
        pairs = zip(runs["worker"], runs[other], strict=True)
        return round(median(a.events_per_second / b.events_per_second for a, b in pairs), 2)

    return {"worker_to_bare_limit": ratio("bare_limit"), "worker_to_plain_faust": ratio("plain_faust")}


def _print(report: Mapping[str, Any]) -> None:
    console = Console()
    if "throughput" in report:
        console.print(_throughput_table(report["throughput"]))
        console.print(f"ratios: {report['ratios']}   latency: {report['latency_seconds']}")
    if "api" in report:
        console.print(_api_table(report["api"]))
    if "nightly" in report:
        console.print(_nightly_table(report["nightly"]))
        for orders, figures in report["nightly"]["orders"].items():
            console.print(f"{orders}: {figures['ratios']}")
    if "peers" in report:
        print_peers(console, report["peers"])
    if "detection" in report:
        print_detection(console, report["detection"])
    if "rules" in report:
        print_rules(console, report["rules"])


def _throughput_table(throughput: Mapping[str, Any]) -> Table:
    table = Table("contender", "events/s", "CPU us/event", "peak RSS MB", title="Kafka to PostgreSQL")
    for name, figures in throughput.items():
        table.add_row(
            name,
            f"{figures['events_per_second']:,.0f}",
            f"{figures['cpu_us_per_event']:.1f}",
            f"{figures['peak_rss_mb']:.0f}",
        )
    return table


def _api_table(figures: Mapping[str, Any]) -> Table:
    columns = ("requests", "errors", "p50_ms", "p99_ms", "max_ms")
    title = f"API at {figures['rate_per_second']:.0f} requests/s, {figures['orders']:,} orders"
    table = Table("endpoint", *columns, title=title)
    for name, endpoint in (*figures["endpoints"].items(), ("all", figures["all"])):
        table.add_row(name, *(str(endpoint[column]) for column in columns))
    return table


def _nightly_table(report: Mapping[str, Any]) -> Table:
    table = Table("orders", "stage", "s", "CPU s", title="Nightly batch")
    for orders, figures in report["orders"].items():
        for stage, spent in figures["stages"].items():
            table.add_row(orders, stage, f"{spent['seconds']:.1f}", f"{spent['cpu_seconds']:.1f}")
    return table


if __name__ == "__main__":
    main()
