"""From the producer's send to the commit in PostgreSQL, by PostgreSQL's own commit times, the same for all."""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from time import time
from typing import Any, Final

import asyncpg

from tests.bench.measuring import cpu_seconds
from tests.bench.peers.progress import wait_until_still
from tests.bench.peers.sent import SentOrder, read_sent
from tests.bench.peers.servers import ContenderRun, Servers

_WARM_UP_SECONDS: Final = 20.0
#: Of the records; peers count those sent twice once.
_NEARLY_ALL: Final = 0.95
_STILL_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Latencies:
    """Seconds from sent to committed of the orders of one run, and the cores its process used meanwhile."""

    orders: int
    not_stored: int
    p50: float
    p99: float
    longest: float
    cores: float


async def measure_latency(servers: Servers, run: ContenderRun, seconds: float) -> Latencies:
    """Send live traffic at the guide's rates, first to warm up, then measured."""
    connection = await asyncpg.connect(run.dsn)
    with run.running() as process:
        _send(servers.base, _WARM_UP_SECONDS)
        await _caught_up(connection, servers, run, process)
        began_ms, before = int(time() * 1000), cpu_seconds(process.pid)
        _send(servers.base, seconds)
        cores = (cpu_seconds(process.pid) - before) / seconds
        await _caught_up(connection, servers, run, process)
    rows = await connection.fetch(
        f"SELECT transaction_id, extract(epoch FROM pg_xact_commit_timestamp(xmin)) * 1000 FROM {run.peer.tables.rows}"
    )
    await connection.close()
    sent = [order for order in read_sent(servers.stack.kafka.bootstrap) if order.sent_at_ms >= began_ms]
    return latencies(sent, {row[0]: float(row[1]) for row in rows}, cores)


async def _caught_up(
    connection: asyncpg.Connection, servers: Servers, run: ContenderRun, process: subprocess.Popen[bytes]
) -> None:
    nearly_all = int(len(read_sent(servers.stack.kafka.bootstrap)) * _NEARLY_ALL)
    await wait_until_still(connection, run, process, nearly_all, _STILL_SECONDS)


def latencies(sent: Sequence[SentOrder], committed_ms: Mapping[str, float], cores: float) -> Latencies:
    """Of each order's first sending; those never stored are counted apart."""
    first: dict[str, int] = {}
    for order in sorted(sent, key=lambda order: order.sent_at_ms):
        first.setdefault(order.transaction_id, order.sent_at_ms)
    taken = sorted((committed_ms[name] - at) / 1000 for name, at in first.items() if name in committed_ms)
    if not taken:
        raise ValueError("nothing that was sent has been stored: there is no latency")
    return Latencies(
        len(first), len(first) - len(taken), _quantile(taken, 0.5), _quantile(taken, 0.99), taken[-1], cores
    )


def _quantile(values: Sequence[float], share: float) -> float:
    """The smallest of the sorted values that at least this share does not exceed."""
    return values[ceil(share * len(values)) - 1]


def _send(environment: Mapping[str, Any], seconds: float) -> None:
    subprocess.run(
        [sys.executable, "-m", "app.cli", "generate", "--duration", str(seconds)],
        env={**environment, "GLOBALMART_GENERATOR_MALFORMED_SHARE": "0"},
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
