"""What every test of this folder lives in: stores of its own, traffic, workers, and the judge."""

import asyncio
import itertools
import time
import zlib
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import asyncpg

from app.postgres.connections import POSTGRES_FAILURES, connect_owner
from app.reconcile.stream.recount import reconcile
from app.reconcile.stream.report import ReconcileReport
from app.settings import Settings
from compose.embedded.ports import choose_port
from compose.embedded.stack import EmbeddedStack
from tests.faults import databases, topics
from tests.faults.load import Sender, Sent, Traffic
from tests.faults.processes import WorkerProcess
from tests.fraud.edits import Editor
from tests.support.waiting import PATIENCE_SECONDS, PATIENT

ARMED: Final = "tests.faults.armed_worker"
_POLL_SECONDS: Final = 0.1
#: A load that is so far ahead of the ledger waits: a slow machine would get more than it can ever work off.
_AHEAD_RECORDS: Final = 30_000


class World:
    """Empty topics, an empty database, a consumer group; workers end with it."""

    def __init__(self, stack: EmbeddedStack, folder: Path, database: str, seed: int | None = None) -> None:
        self.stack = stack
        self.database = database
        self.group = database
        self.sender = Sender(stack.kafka.bootstrap)
        self.traffic = Traffic(seed=_seed(database) if seed is None else seed)
        self.workers: list[WorkerProcess] = []
        self._folder = folder

    @property
    def bootstrap(self) -> str:
        """Kafka."""
        return self.stack.kafka.bootstrap

    def environment(self, **changes: str) -> dict[str, str]:
        """Variables of a worker of this world; changes are named without their prefix."""
        return {
            **self.stack.environment(),
            **PATIENT,
            "GLOBALMART_POSTGRES_DATABASE": self.database,
            "GLOBALMART_POSTGRES_RETRY_MAX_SECONDS": "1",
            "GLOBALMART_KAFKA_GROUP": self.group,
            "GLOBALMART_KAFKA_MAX_POLL_RECORDS": "600",
            "GLOBALMART_WORKER_METRICS_PORT": str(choose_port()),
            **{f"GLOBALMART_{name}": value for name, value in changes.items()},
        }

    # --- workers ---

    def worker(
        self, application: str = "app.worker", *, faults: dict[str, str] | None = None, **changes: str
    ) -> WorkerProcess:
        """Start a worker; `faults` are the variables of an armed or a broken one."""
        log = self._folder / f"worker-{len(self.workers) + 1}.log"
        environ = self.environment(**changes) | (faults or {})
        worker = WorkerProcess(log, environ, application)
        self.workers.append(worker)
        return worker

    def armed(self, point: str, action: str, after: int = 4, **changes: str) -> WorkerProcess:
        """A worker that does itself harm when it passes the point for the n-th time."""
        faults = {"FAULT_POINT": point, "FAULT_ACTION": action, "FAULT_AFTER": str(after)}
        return self.worker(ARMED, faults=faults, **changes)

    def commanded(self, order: Path, **changes: str) -> WorkerProcess:
        """A worker that harms itself when the file `order` says so."""
        return self.worker(ARMED, faults={"FAULT_FILE": str(order)}, **changes)

    async def consuming(self, worker: WorkerProcess, seconds: float = PATIENCE_SECONDS) -> float:
        """Wait until the worker has committed something; seconds since its start."""
        await self.until(lambda: _has_committed(worker), worker, seconds=seconds)
        return time.monotonic() - worker.started

    # --- traffic ---

    def send(self, count: int) -> None:
        """Send so many records at once and wait until Kafka has them."""
        self.sender.send(self.traffic.records(count))
        self.sender.flush()

    async def bursts(self, count: int, *, of: int = 500, pause_seconds: float = 0.15) -> None:
        """Send bursts while the workers run."""
        for _ in range(count):
            self.sender.send(self.traffic.records(of))
            await asyncio.sleep(pause_seconds)
        await asyncio.to_thread(self.sender.flush)

    @asynccontextmanager
    async def load(self, *, of: int = 250, pause_seconds: float = 0.15) -> AsyncIterator[None]:
        """Bursts go on for as long as the block runs."""
        bursts = (self.traffic.records(of) for _ in itertools.count())
        async with self.sending(bursts, pause_seconds):
            yield

    @asynccontextmanager
    async def sending(self, bursts: Iterable[Iterable[Sent]], pause_seconds: float) -> AsyncIterator[None]:
        """Send one burst after the other, once Kafka has the one before, for as long as the block runs.

        It never gets far ahead of the workers, as far as the database tells.
        """
        over = asyncio.Event()

        async def send() -> None:
            committed = 0
            for burst in bursts:
                while self.sender.sent - committed > _AHEAD_RECORDS and not over.is_set():
                    with suppress(*POSTGRES_FAILURES):
                        committed = await self.committed()
                    await asyncio.sleep(pause_seconds)
                self.sender.send(list(burst))
                await asyncio.sleep(pause_seconds)
                await asyncio.to_thread(self.sender.flush)
                if over.is_set():
                    return

        sending = asyncio.create_task(send())
        try:
            yield
        finally:
            over.set()
            await sending

    # --- questions and the judge ---

    async def sql(self, query: str, *args: Any) -> list[asyncpg.Record]:
        """Rows of a query, as the superuser."""
        connection = await databases.connect(self.stack, self.database)
        try:
            rows: list[asyncpg.Record] = await connection.fetch(query, *args)
        finally:
            await connection.close()
        return rows

    async def owner(self) -> asyncpg.Connection:
        """A connection as the owner of the schema; the caller closes it."""
        return await connect_owner(Settings(self.environment()).postgres)

    @asynccontextmanager
    async def changing_rules(self, seed: int, pause_seconds: float) -> AsyncIterator[Editor]:
        """Rules of every kind in shadow, then changes of rules and lists for as long as the block runs."""
        users = [f"user-{number}" for number in range(0, 300, 10)]
        values = {"stolen": ["c3", "c1", "c2", "nobody's"], "trusted": users, "seen": ["s2", "s3", "s5"]}
        editor = Editor(seed, values, datetime.now(UTC))
        owner = await self.owner()
        try:
            await editor.begin(owner)
        finally:
            await owner.close()
        async with editor.busy(self.owner, pause_seconds):
            yield editor

    async def execute(self, script: str) -> None:
        """Run a script, as the superuser."""
        connection = await databases.connect(self.stack, self.database)
        try:
            await connection.execute(script)
        finally:
            await connection.close()

    async def ledger(self) -> dict[topics.Partition, int]:
        """Next offset of every partition in the ledger."""
        rows = await self.sql("SELECT topic, partition, next_offset FROM stream_progress")
        return {(row["topic"], row["partition"]): row["next_offset"] for row in rows}

    async def committed(self) -> int:
        """How many records the ledger has accounted for."""
        rows = await self.sql("SELECT coalesce(sum(consumed), 0)::BIGINT FROM stream_progress")
        return int(rows[0][0])

    async def until(self, true: Callable[[], Any], *watched: WorkerProcess, seconds: float = PATIENCE_SECONDS) -> None:
        """Wait for a condition; fails when a watched worker ends or time runs out."""
        deadline = time.monotonic() + seconds
        while True:
            answer = true()
            if asyncio.iscoroutine(answer):
                answer = await answer
            if answer:
                return
            for worker in watched:
                assert worker.exit_code is None, f"ended with {worker.exit_code}{worker.tail()}"
            assert time.monotonic() < deadline, f"not within {seconds} s{self._tails()}"
            await asyncio.sleep(_POLL_SECONDS)

    async def progress(self, records: int, seconds: float = PATIENCE_SECONDS) -> float:
        """Wait until the ledger has moved by so many records; how long it took."""
        before, started = await self.committed(), time.monotonic()

        async def moved() -> bool:
            return await self.committed() >= before + records

        try:
            await self.until(moved, seconds=seconds)
        except AssertionError as error:
            ends = await asyncio.to_thread(topics.end_offsets, self.bootstrap)
            ledger = await self.ledger()
            behind = {p: (ledger.get(p), end) for p, end in ends.items() if ledger.get(p) != end}
            raise AssertionError(
                f"{self.sender.sent} sent, {sum(ends.values())} in Kafka, ledger behind: {behind}: {error}"
            ) from None
        return time.monotonic() - started

    async def consumed(self, seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until the ledger stands at the end of every source partition."""
        ends = await asyncio.to_thread(topics.end_offsets, self.bootstrap)

        async def at_end() -> bool:
            ledger = await self.ledger()
            assert any(worker.exit_code is None for worker in self.workers), "no worker is left"
            return all(ledger.get(partition, 0) >= end for partition, end in ends.items())

        try:
            await self.until(at_end, seconds=seconds)
        except AssertionError as error:
            ledger = await self.ledger()
            behind = {p: (ledger.get(p), end) for p, end in ends.items() if ledger.get(p) != end}
            text = str(error).splitlines()[0]
            raise AssertionError(f"{text}: ledger behind: {behind}{self._tails()}") from None

    async def recount(self) -> ReconcileReport:
        """The verdict of the independent recount."""
        settings = Settings(self.environment())
        return await reconcile(settings)

    async def exact(self, seconds: float = PATIENCE_SECONDS) -> ReconcileReport:
        """Wait for the end of the stream; everything must agree with the recount, and be there."""
        await self.consumed(seconds)
        report = await self.recount()
        assert report.agrees, f"{report.kinds} {report.mismatches[:10]}{self._tails()}"
        stored = report.topics["transactions"].found
        assert stored["consumed"] > 0
        return report

    def close(self) -> None:
        """End what still runs."""
        for worker in self.workers:
            if worker.exit_code is None:
                worker.kill()

    def _tails(self) -> str:
        return "".join(worker.tail() for worker in self.workers)


def _seed(name: str) -> int:
    """A seed that is the same in every run."""
    return zlib.crc32(name.encode()) % 100_000


def _has_committed(worker: WorkerProcess) -> bool:
    try:
        return worker.metric("globalmart_events_total") > 0
    except (AssertionError, OSError):
        return False
