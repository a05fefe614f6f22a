"""The servers of this part, and a fresh database for each run of a contender."""

import asyncio
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import asyncpg

from app.kafka.admin import create_topics
from app.postgres.migrate import migrate
from app.settings import load_settings
from compose.embedded.ports import choose_port
from compose.embedded.postgres_server import SUPERUSER
from compose.embedded.server import Report
from compose.embedded.stack import EmbeddedStack
from tests.bench.databases import fresh_database
from tests.bench.measuring import kill_tree
from tests.bench.peers.contenders import SCHEMA, Peer

#: So that the moment of every row's commit can be asked for afterwards.
_COMMIT_TIMES: Final = "ALTER SYSTEM SET track_commit_timestamp = on"


class Servers:
    """Kafka with its topics and PostgreSQL with the tables of all contenders in its template."""

    def __init__(self, stack: EmbeddedStack, base: dict[str, str], folder: Path, report: Report) -> None:
        self.stack = stack
        self.base = base
        self.report = report
        self._folder = folder
        self._template = load_settings(base).postgres.database

    @property
    def pids(self) -> list[int]:
        """The processes of Kafka and PostgreSQL."""
        return [self.stack.kafka.pid, self.stack.postgres.pid]

    def prepare(self) -> None:
        """Switch commit times on, make the topics and the template."""
        asyncio.run(self._superuser(_COMMIT_TIMES))
        self.stack.postgres.stop()
        self.stack.postgres.start()
        settings = load_settings(self.base)
        kafka = settings.kafka
        create_topics(kafka.bootstrap, kafka.partitions, kafka.replication, kafka.retention_hours)
        asyncio.run(migrate(settings.postgres))
        asyncio.run(self._create_peer_tables())

    def new_run(self, peer: Peer, name: str) -> "ContenderRun":
        """A fresh database, consumer group and state for a run of a contender."""
        database = f"peers_{peer.name}_{name}"
        asyncio.run(fresh_database(self.stack.postgres, database, self._template))
        variables = {
            **self.base,
            "GLOBALMART_POSTGRES_DATABASE": database,
            "GLOBALMART_KAFKA_GROUP": database,
            "GLOBALMART_WORKER_METRICS_PORT": str(choose_port()),
        }
        logs = self._folder / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        environment = peer.environment(variables, self._folder / "state" / database)
        return ContenderRun(peer, environment, self.stack.postgres.dsn(database=database), logs / f"{database}.log")

    async def _superuser(self, statement: str) -> None:
        connection = await asyncpg.connect(self.stack.postgres.dsn(SUPERUSER, "postgres"))
        await connection.execute(statement)
        await connection.close()

    async def _create_peer_tables(self) -> None:
        connection = await asyncpg.connect(self.stack.postgres.dsn())
        await connection.execute(SCHEMA.read_text())
        await connection.close()


class ContenderRun:
    """A contender with its database; `log` holds the output of its processes."""

    def __init__(self, peer: Peer, environment: dict[str, str], dsn: str, log: Path) -> None:
        self.peer = peer
        self.environment = environment
        self.dsn = dsn
        self.log = log

    @contextmanager
    def running(self) -> Iterator[subprocess.Popen[bytes]]:
        """Its process, killed with all it has started at the end."""
        with self.log.open("ab") as output:
            process = subprocess.Popen(self.peer.command, env=self.environment, stdout=output, stderr=subprocess.STDOUT)
        try:
            yield process
        finally:
            kill_tree(process)
