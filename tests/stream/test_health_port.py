"""The worker's HTTP port, asked over HTTP."""

import asyncio
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from prometheus_client import CollectorRegistry, Counter

from app.stream.health_port import BLOCKED_SECONDS, HealthPort
from compose.embedded.ports import choose_port


class _World:
    """What a worker would say of itself, and its clock."""

    def __init__(self) -> None:
        self.waits_for = ""
        self.seconds = 0.0
        self.registry = CollectorRegistry()

    @asynccontextmanager
    async def port(self, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[HealthPort]:
        """A port that is open."""
        service = HealthPort(host, port or choose_port(), self.registry, lambda: self.waits_for, lambda: self.seconds)
        await service.start()
        try:
            yield service
        finally:
            await service.stop()


async def _get(port: HealthPort, path: str) -> tuple[int, str]:
    return await asyncio.to_thread(_blocking_get, f"{port.address}{path}")


def _blocking_get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


async def _until(port: HealthPort, path: str, answer: tuple[int, str]) -> None:
    async with asyncio.timeout(30):
        while await _get(port, path) != answer:
            await asyncio.sleep(0.05)


async def test_a_worker_that_has_everything_is_ready() -> None:
    async with _World().port() as port:
        assert await _get(port, "/health") == (200, "ok\n")
        assert await _get(port, "/ready") == (200, "ok\n")


async def test_what_it_waits_for_is_said_and_it_lives_all_the_same() -> None:
    world = _World()
    world.waits_for = "PostgreSQL"
    async with world.port() as port:
        assert await _get(port, "/ready") == (503, "waiting for PostgreSQL\n")
        assert await _get(port, "/health") == (200, "ok\n")
        world.waits_for = ""
        await _until(port, "/ready", (200, "ok\n"))


async def test_a_loop_that_stands_still_is_neither_alive_nor_ready() -> None:
    world = _World()
    async with world.port() as port:
        world.seconds += BLOCKED_SECONDS + 7
        # Nothing here gives the loop back between the look at the clock and the answers.
        standing = f"the event loop has not run for {BLOCKED_SECONDS + 7:.0f} s\n"
        assert _blocking_get(f"{port.address}/health") == (503, standing)
        assert _blocking_get(f"{port.address}/ready") == (503, standing)
        await _until(port, "/health", (200, "ok\n"))


async def test_metrics_are_at_their_path_and_nothing_at_others() -> None:
    world = _World()
    Counter("things", "Things.", registry=world.registry).inc(3)
    async with world.port() as port:
        status, page = await _get(port, "/metrics")
        assert (status, "things_total 3.0" in page) == (200, True)
        assert await _get(port, "/") == (404, "there are /metrics, /health and /ready\n")


async def test_a_second_worker_takes_the_next_port() -> None:
    world = _World()
    async with world.port() as first:
        taken = int(first.address.rsplit(":", 1)[1])
        async with world.port(port=taken) as second:
            assert second.address != first.address
            assert await _get(second, "/health") == (200, "ok\n")


async def test_it_listens_on_an_address_of_version_6_too() -> None:
    async with _World().port("::1") as port:
        assert port.address.startswith("http://[::1]:")
        assert await _get(port, "/ready") == (200, "ok\n")


async def test_an_address_that_is_not_ours_is_an_error() -> None:
    with pytest.raises(OSError, match="assign requested address"):
        async with _World().port("192.0.2.1"):
            raise AssertionError("the port opened")
