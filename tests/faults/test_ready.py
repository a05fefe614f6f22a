"""`/ready` of a real worker: not before it has its partitions, and not while a store is down."""

import asyncio
import urllib.error
import urllib.request
from collections.abc import Mapping

from tests.faults import topics
from tests.faults.processes import WorkerProcess
from tests.faults.world import World

_PORT = "GLOBALMART_WORKER_METRICS_PORT"
_READY = (200, "ok\n")


def _asked(port: str, path: str) -> tuple[int, str]:
    """Status and text; 0 while the port is closed."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
    except OSError as error:
        return 0, str(error)


class _Probed:
    """A worker and its port."""

    def __init__(self, world: World, environ: Mapping[str, str]) -> None:
        self.world = world
        self.port = world.environment()[_PORT]
        self.process: WorkerProcess = world.worker(faults=dict(environ), WORKER_METRICS_PORT=self.port)

    async def until(self, path: str, wanted: tuple[int, str]) -> None:
        """Wait for the answer; fails with the worker's log."""
        answers: list[tuple[int, str]] = []

        async def found() -> bool:
            answers.append(await asyncio.to_thread(_asked, self.port, path))
            return answers[-1][0] == wanted[0] and wanted[1] in answers[-1][1]

        try:
            await self.world.until(found, self.process)
        except AssertionError as error:
            raise AssertionError(f"{path} said {answers[-1]}; {error}") from None


async def test_a_worker_is_ready_once_it_has_its_partitions(world: World) -> None:
    world.send(500)
    worker = _Probed(world, {})
    await worker.until("/ready", _READY)
    await worker.until("/health", _READY)
    await world.exact()


async def test_one_more_worker_than_partitions_is_ready_too(world: World) -> None:
    topics.recreate_topics(world.bootstrap, 1)
    workers = [_Probed(world, {"GLOBALMART_KAFKA_PARTITIONS": "1"}) for _ in range(2)]
    for worker in workers:
        await worker.until("/ready", _READY)


async def test_it_lives_while_it_waits_for_kafka(world: World) -> None:
    worker = _Probed(world, {"GLOBALMART_KAFKA_BOOTSTRAP": "127.0.0.1:1"})
    await worker.until("/ready", (503, "waiting for Kafka"))
    await worker.until("/health", _READY)
    assert worker.process.exit_code is None


async def test_it_is_not_ready_while_postgres_is_down(world: World) -> None:
    postgres = world.stack.postgres
    await asyncio.to_thread(postgres.stop)
    try:
        worker = _Probed(world, {})
        await worker.until("/ready", (503, "waiting for PostgreSQL"))
        await worker.until("/health", _READY)
    finally:
        await asyncio.to_thread(postgres.start)
    await worker.until("/ready", _READY)
