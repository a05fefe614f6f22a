"""The worker and its peers: how each is started, what it writes to, how far it is."""

import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from tests.bench.measuring import Contender
from tests.bench.peers.environments import Environments
from tests.bench.peers.judge import Tables

SCHEMA: Final = Path(__file__).with_name("schema.sql")
_PROGRAMS: Final = Path(__file__).with_name("programs")
#: The first quarter warms up: most of what Java compiles, it compiles there.
_WARM_UP: Final = 4
#: Counting rows costs more than reading a ledger.
_POLL_SECONDS: Final = 0.25
_WORKER_TABLES: Final = Tables("transactions", "sales_metrics", "transaction_anomalies")
_PEER_TABLES: Final = Tables("peer_transactions", "peer_sales_metrics", "peer_anomalies")
#: The worker commits rows and windows together.
_WORKER_PROGRESS: Final = "SELECT coalesce(sum(consumed), 0) FROM stream_progress WHERE topic = 'transactions'"
#: Peers bring rows and windows, of which each order has two, in transactions of their own: half of the job each.
_PEER_PROGRESS: Final = """
SELECT (count(*) + (SELECT coalesce(sum(transaction_count), 0)::BIGINT / 2 FROM peer_sales_metrics)) / 2
FROM peer_transactions"""


@dataclass(frozen=True, slots=True)
class Peer:
    """A contender of this part."""

    name: str
    command: Sequence[str]
    tables: Tables
    progress: str
    variables: Mapping[str, str]

    def environment(self, base: Mapping[str, str], state: Path) -> dict[str, str]:
        """The variables of its process; what an earlier run left in the folder of its state is deleted."""
        shutil.rmtree(state, ignore_errors=True)
        state.mkdir(parents=True)
        return {**base, **self.variables, "PEER_STATE": str(state.absolute())}

    def contender(self, records: int, orders: int, servers: Sequence[int]) -> Contender:
        """The same with its goal: `records` in the topic, `orders` of them different."""
        goal = records if self.tables is _WORKER_TABLES else (orders + records) // 2
        return Contender(self.name, self.command, self.progress, goal, _POLL_SECONDS, goal // _WARM_UP, servers)


def peers(environments: Environments) -> list[Peer]:
    """The worker first."""
    worker = [sys.executable, "-m", "faust", "-A", "app.worker", "worker", "-l", "info"]
    spark = [str(environments.structured_streaming), str(_PROGRAMS / "structured_streaming.py")]
    quix = [str(environments.quix), str(_PROGRAMS / "quix.py")]
    jars = {"PEER_JARS": str(environments.jars)}
    return [
        Peer("worker", worker, _WORKER_TABLES, _WORKER_PROGRESS, {}),
        Peer("structured_streaming", spark, _PEER_TABLES, _PEER_PROGRESS, jars),
        Peer("quix", quix, _PEER_TABLES, _PEER_PROGRESS, {"PEER_GUARANTEE": "at-least-once"}),
    ]


def exactly_once(quix: Peer) -> Peer:
    """Quix Streams with its state in Kafka's transactions, which is not its default."""
    return replace(quix, name="quix_exactly_once", variables={"PEER_GUARANTEE": "exactly-once"})
