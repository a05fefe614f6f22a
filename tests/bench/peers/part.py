"""The part `peers` of the benchmark: throughput, latency, and what one kill costs, for the worker and its peers."""

import asyncio
import os
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

import asyncpg

from app.java import find_java
from app.settings import load_settings
from compose.embedded.kafka_jars import pins
from compose.embedded.server import Report
from compose.embedded.stack import EmbeddedStack
from tests.bench.measuring import Measured, run_contender
from tests.bench.peers.contenders import Peer, exactly_once, peers
from tests.bench.peers.environments import Environments, ensure_environments, pinned_versions
from tests.bench.peers.judge import Verdict, first_sent, judge
from tests.bench.peers.kill import kill_and_judge
from tests.bench.peers.latency import measure_latency
from tests.bench.peers.sent import SentOrder, read_sent
from tests.bench.peers.servers import Servers
from tests.bench.records import fill_transactions

_FIGURES: Final = ("events_per_second", "cpu_us_per_event", "server_cpu_us_per_event", "peak_rss_mb")


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much each step does: orders of the backlog, interleaved rounds, seconds of live traffic."""

    orders: int
    rounds: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Part:
    """What all steps need."""

    child_environment: Callable[[EmbeddedStack], dict[str, str]]
    environments: Environments
    sizes: Sizes
    report: Report

    @contextmanager
    def servers(self, step: str) -> Iterator[Servers]:
        """Fresh servers for a step, with empty topics."""
        folder = Path("var/bench-peers")
        with EmbeddedStack(
            folder, services=("kafka", "postgres"), fresh=True, preferred_ports=False, report=self.report
        ) as stack:
            servers = Servers(stack, self.child_environment(stack), folder / step, self.report)
            servers.prepare()
            yield servers

    def backlog(self, servers: Servers) -> list[SentOrder]:
        """The topic filled, and what it holds."""
        self.report(f"Filling the topic with {self.sizes.orders:,} transactions")
        fill_transactions(load_settings(servers.base), servers.base, self.sizes.orders)
        return read_sent(servers.stack.kafka.bootstrap)


def run_peers(
    child_environment: Callable[[EmbeddedStack], dict[str, str]],
    sizes: Sizes,
    steps: Sequence[str],
    former: Mapping[str, Any],
    report: Report,
) -> dict[str, Any]:
    """Run the steps and return the part's report; steps not run keep their former figures.

    `child_environment` gives the variables by which a process uses a stack's servers. Raises PeersError if a peer
    cannot be installed.
    """
    part = Part(child_environment, ensure_environments(Path("var/peers"), report), sizes, report)
    figures: dict[str, Any] = {**former, "cores": os.cpu_count(), "versions": _versions()}
    for step in steps:
        figures[step] = STEPS[step](part)
    return figures


def _throughput(part: Part) -> dict[str, Any]:
    """Interleaved rounds over one backlog; the tables of the last round are judged."""
    with part.servers("throughput") as servers:
        sent = part.backlog(servers)
        orders = len(first_sent(sent))
        runs: dict[str, list[Measured]] = {}
        verdicts: dict[str, Verdict] = {}
        for number in range(part.sizes.rounds):
            for peer in peers(part.environments):
                run = servers.new_run(peer, str(number))
                contender = peer.contender(len(sent), orders, servers.pids)
                measured = asyncio.run(run_contender(contender, run.environment, run.dsn, run.log))
                runs.setdefault(peer.name, []).append(measured)
                part.report(f"{peer.name}: {measured.events_per_second:,.0f} events/s")
                verdicts[peer.name] = asyncio.run(_judge(run.dsn, peer, sent))
    return {
        "records": len(sent),
        "orders": orders,
        "contenders": {name: _summary(measured, verdicts[name]) for name, measured in runs.items()},
        "ratios": ratios(runs),
    }


def _kill(part: Part) -> dict[str, Any]:
    """One backlog and one kill each."""
    with part.servers("kill") as servers:
        sent = part.backlog(servers)
        orders = len(first_sent(sent))
        killed = {}
        contenders = peers(part.environments)
        for peer in (*contenders, exactly_once(contenders[-1])):
            outcome = asyncio.run(kill_and_judge(servers.new_run(peer, "kill"), sent, orders))
            killed[peer.name] = asdict(outcome)
            part.report(f"{peer.name} after a kill: {outcome}")
    return {"records": len(sent), "orders": orders, "contenders": killed}


def _latency(part: Part) -> dict[str, Any]:
    """Live traffic for each in turn."""
    with part.servers("latency") as servers:
        figures = {}
        for peer in peers(part.environments):
            measured = asyncio.run(measure_latency(servers, servers.new_run(peer, "latency"), part.sizes.seconds))
            figures[peer.name] = {name: round(value, 3) for name, value in asdict(measured).items()}
            part.report(f"{peer.name}: {figures[peer.name]}")
    return {"seconds": part.sizes.seconds, "contenders": figures}


#: Each starts servers of its own.
STEPS: Final[Mapping[str, Callable[[Part], dict[str, Any]]]] = {
    "throughput": _throughput,
    "kill": _kill,
    "latency": _latency,
}


async def _judge(dsn: str, peer: Peer, sent: Sequence[SentOrder]) -> Verdict:
    connection = await asyncpg.connect(dsn)
    try:
        return await judge(connection, peer.tables, sent)
    finally:
        await connection.close()


def _summary(runs: Sequence[Measured], verdict: Verdict) -> dict[str, Any]:
    medians = {name: round(median(getattr(run, name) for run in runs), 1) for name in _FIGURES}
    return {**medians, "runs": [asdict(run) for run in runs], "verdict": asdict(verdict)}


def ratios(runs: Mapping[str, Sequence[Measured]]) -> dict[str, float]:
    """Medians of the round-by-round ratios of events per second, worker to each peer."""

    def ratio(other: str) -> float:
        pairs = zip(runs["worker"], runs[other], strict=True)
        return round(median(a.events_per_second / b.events_per_second for a, b in pairs), 2)

    return {f"worker_to_{name}": ratio(name) for name in runs if name != "worker"}


def _versions() -> dict[str, str]:
    java = find_java()
    return {
        **pinned_versions(),
        "python": platform.python_version(),
        "java": str(java.version),
        "kafka": str(pins()["version"]),
    }
