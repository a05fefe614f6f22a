"""The published run: before the first, through switches, with a run that is gone, while MongoDB is down."""

import asyncio
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.mongo_reader import Find, Mongo, ReadingLostError
from api.run_follower import Warehouse as Reader
from api.run_reader import PublishedRun
from api.stores import StoreDownError
from app.ops.erasure.erasure import erase
from batch.lake import Lake
from batch.manifest import Manifest
from compose.embedded.stack import EmbeddedStack
from tests.api.marts import AS_OF, customers, everything, trends
from tests.api.serving import answered, api_over
from tests.support.databases import Database
from tests.support.waiting import PATIENCE_SECONDS, until
from tests.support.warehouses import Warehouse

V1 = "/api/v1"
PATHS = (
    f"{V1}/customers/segments",
    f"{V1}/customers/rfm",
    f"{V1}/customers/migrations",
    f"{V1}/customers/u7",
    f"{V1}/products/performance",
    f"{V1}/products/performance?group_by=product",
    f"{V1}/trends",
    f"{V1}/funnel",
)
_QUICK: dict[str, Any] = {"run_poll_seconds": 0.05}


async def test_before_the_first_publish_404_says_what_to_run(database: Database, warehouse: Warehouse) -> None:
    async with api_over(database) as client:
        for path in PATHS:
            response = await client.get(path)
            assert response.status_code == 404, path
            assert response.headers["content-type"] == "application/problem+json"
            assert response.json()["type"] == "urn:globalmart:not-published"
            assert "globalmart batch nightly" in response.json()["detail"]
        assert (await client.get("/ready")).status_code == 200


async def test_every_answer_follows_a_publish_and_carries_its_day(database: Database, warehouse: Warehouse) -> None:
    warehouse.publish(AS_OF, **everything())
    async with api_over(database, **_QUICK) as client:
        first = [await answered(client, path) for path in PATHS]
        assert {each["as_of"] for each in first} == {"2026-02-28"}
        warehouse.publish(date(2026, 3, 1), **everything(seed=50))
        warehouse.drop_unused()

        async def followed() -> bool:
            return str((await answered(client, PATHS[0]))["as_of"]) == "2026-03-01"

        await until(followed)
        second = [await answered(client, path) for path in PATHS]
    assert {each["as_of"] for each in second} == {"2026-03-01"}
    figures = [[{**each, "as_of": None} for each in answers] for answers in (first, second)]
    same = [path for path, a, b in zip(PATHS, *figures, strict=True) if a == b]
    assert same == [f"{V1}/customers/migrations"]


async def test_a_mart_published_alone_has_a_day_of_its_own(database: Database, warehouse: Warehouse) -> None:
    warehouse.publish(AS_OF, sales_trends=trends())
    warehouse.publish(AS_OF + timedelta(days=1), customer_segments=customers())
    async with api_over(database) as client:
        assert (await answered(client, f"{V1}/trends"))["as_of"] == "2026-02-28"
        assert (await answered(client, f"{V1}/customers/segments"))["as_of"] == "2026-03-01"
        assert (await client.get(f"{V1}/funnel")).status_code == 404


class _Reading:
    """A reader over a warehouse that a test follows by hand; `pauses` are taken between two reads."""

    def __init__(self, database: Database) -> None:
        settings = database.settings
        self.mongo = Mongo(settings.mongo, PATIENCE_SECONDS)
        self.reader = Reader(self.mongo, self.mongo, {}, answers=10, wait_seconds=PATIENCE_SECONDS, poll_seconds=3600)
        self._following = asyncio.create_task(self.reader.follow())

    async def close(self) -> None:
        self._following.cancel()
        await asyncio.gather(self._following, return_exceptions=True)
        self.mongo.close()


@pytest.fixture
async def reading(database: Database, warehouse: Warehouse) -> Any:
    """A reader whose follower looks once."""
    warehouse.publish(AS_OF, customer_segments=customers(seed=1), sales_trends=trends(seed=1))
    made = _Reading(database)
    yield made
    await made.close()


_NAMES = Find({}, ("monetary",), (("user_id", 1),))
_TRENDS = Find({}, ("revenue",), (("period_type", 1), ("period", 1), ("country", 1)))


async def _both(run: PublishedRun, between: Callable[[], None]) -> list[Any]:
    """What one answer reads of two marts, with something happening between."""
    first = await run.find("customer_segments", _NAMES)
    between()
    return [first, await run.find("sales_trends", _TRENDS)]


def _night(warehouse: Warehouse, seed: int) -> None:
    """A whole run as the batch does it: drop_unused, publish, drop_unused."""
    warehouse.drop_unused()
    warehouse.publish(AS_OF, customer_segments=customers(seed=seed), sales_trends=trends(seed=seed))
    warehouse.drop_unused()


async def _of_seed(database: Database, warehouse: Warehouse, seed: int) -> list[Any]:
    """What a reader that starts after that night sees."""
    _night(warehouse, seed)
    fresh = _Reading(database)
    try:
        return await fresh.reader.ask("q", lambda run: _both(run, lambda: None))
    finally:
        await fresh.close()


async def test_an_answer_begun_before_a_switch_ends_in_its_run(
    database: Database, warehouse: Warehouse, reading: _Reading
) -> None:
    whole = await reading.reader.ask("before", lambda run: _both(run, lambda: None))
    asked = await reading.reader.ask("q", lambda run: _both(run, lambda: _night(warehouse, 2)))
    assert asked == whole
    assert await _of_seed(database, warehouse, 2) != whole


async def test_an_answer_whose_run_is_gone_is_read_once_more_from_one_run(
    database: Database, warehouse: Warehouse, reading: _Reading
) -> None:
    """Two nights pass in the middle of it: the second mart's collection is dropped and reads as empty."""
    nights = iter([(2, 3)])

    def pass_two_nights() -> None:
        for seed in next(nights, ()):
            _night(warehouse, seed)

    asked = await reading.reader.ask("q", lambda run: _both(run, pass_two_nights))
    assert asked == await _of_seed(database, warehouse, 3)
    assert all(asked)


async def test_a_run_that_is_always_gone_is_503(warehouse: Warehouse, reading: _Reading) -> None:
    seeds = iter(range(2, 99))

    def pass_two_nights() -> None:
        for _ in range(2):
            _night(warehouse, next(seeds))

    with pytest.raises(StoreDownError):
        await reading.reader.ask("q", lambda run: _both(run, pass_two_nights))
    assert next(seeds) == 6


async def test_a_cursor_that_dies_is_read_once_more(
    database: Database, warehouse: Warehouse, reading: _Reading
) -> None:
    dying = iter([ReadingLostError()])

    async def compute(run: PublishedRun) -> list[Any]:
        for error in dying:
            raise error
        return await _both(run, lambda: None)

    assert all(await reading.reader.ask("q", compute))
    assert next(dying, None) is None


async def test_the_same_question_is_read_once_per_run(reading: _Reading) -> None:
    read = 0

    async def compute(run: PublishedRun) -> int:
        nonlocal read
        read += 1
        await run.find("sales_trends", _TRENDS)
        return read

    answers = await asyncio.gather(*(reading.reader.ask("q", compute) for _ in range(5)))
    assert answers == [1] * 5
    for other in range(10):
        await reading.reader.ask(other, compute)
    assert await reading.reader.ask("q", compute) == 12  # at most ten answers are kept


async def _problem_of(client: httpx.AsyncClient, path: str) -> dict[str, Any]:
    response = await client.get(path)
    assert response.status_code == 503, (path, response.text)
    assert int(response.headers["Retry-After"]) >= 1
    content: dict[str, Any] = response.json()
    return content


async def test_mongodb_down_and_back(database: Database, night: dict[str, list[Any]], stack: EmbeddedStack) -> None:
    settings = database.settings
    settings.mongo = settings.mongo.model_copy(update={"connect_timeout_seconds": 1.0})
    async with api_over(database, **_QUICK) as client:
        before = await answered(client, PATHS[0])
        stack.mongo.stop()
        try:

            async def noticed() -> bool:
                return (await client.get(PATHS[0])).status_code == 503

            await until(noticed)
            for path in PATHS:
                problem = await _problem_of(client, path)
                assert problem["store"] == "mongodb"
                assert settings.mongo.url
                assert settings.mongo.url.get_secret_value() not in str(problem)
            assert (await client.get(f"{V1}/sales/metrics")).status_code == 200
            ready = (await client.get("/ready")).json()
            assert ready["dependencies"] == [
                {"name": "postgresql", "status": "up"},
                {"name": "mongodb", "status": "down"},
            ]
        finally:
            stack.mongo.start()

        async def back() -> bool:
            return (await client.get("/ready")).status_code == 200

        await until(back)
        assert await answered(client, PATHS[0]) == before
        for path in PATHS:
            assert (await client.get(path)).status_code == 200, path


async def test_a_process_that_starts_before_mongodb(
    database: Database, night: dict[str, list[Any]], stack: EmbeddedStack
) -> None:
    settings = database.settings
    settings.mongo = settings.mongo.model_copy(update={"connect_timeout_seconds": 1.0})
    stack.mongo.stop()
    started = False
    try:
        async with api_over(database, **_QUICK) as client:
            assert (await _problem_of(client, PATHS[0]))["store"] == "mongodb"
            stack.mongo.start()
            started = True

            async def back() -> bool:
                return (await client.get(PATHS[0])).status_code == 200

            await until(back)
    finally:
        if not started:
            stack.mongo.start()


async def test_a_new_run_is_shown_once_its_sums_are_made_and_looked_for_meanwhile(
    database: Database, warehouse: Warehouse
) -> None:
    """While a sum takes its time the run before answers, and an outage would be noticed."""
    gate, asked = asyncio.Event(), asyncio.Event()

    async def slow(run: PublishedRun) -> None:
        asked.set()
        await gate.wait()

    async def night_of(run: PublishedRun) -> date:
        return run.mart("customer_segments").as_of

    warehouse.publish(AS_OF, customer_segments=customers(seed=1))
    mongo = Mongo(database.settings.mongo, PATIENCE_SECONDS)
    reader = Reader(
        mongo, mongo, {"customer_segments": slow}, answers=9, wait_seconds=PATIENCE_SECONDS, poll_seconds=0.01
    )
    following = asyncio.create_task(reader.follow())
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert await reader.ask("first", night_of) == AS_OF  # there is none before it
        gate.set()
        while await reader.weight_bytes() is None:
            await asyncio.sleep(0.01)
        gate.clear()
        asked.clear()
        warehouse.publish(AS_OF + timedelta(days=1), customer_segments=customers(seed=2))
        await asked.wait()
        assert await reader.ask("second", night_of) == AS_OF
        gate.set()
        numbers = iter(range(10**6))
        while await reader.ask(next(numbers), night_of) == AS_OF:
            await asyncio.sleep(0.01)
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    mongo.close()


async def test_an_erased_user_is_found_no_more(database: Database, warehouse: Warehouse, tmp_path: Path) -> None:
    database.settings.batch = database.settings.batch.model_copy(update={"lake": str(tmp_path)})
    Lake(str(tmp_path)).write_manifest(Manifest())
    warehouse.publish(AS_OF, **everything())
    path = f"{V1}/customers/u7"
    async with api_over(database, **_QUICK) as client:
        assert (await answered(client, path))["user_id"] == "u7"
        segments = await answered(client, f"{V1}/customers/segments")
        await erase(database.settings, "u7")

        async def forgotten() -> bool:
            return (await client.get(path)).status_code == 404

        await until(forgotten)
        assert await answered(client, f"{V1}/customers/segments") == segments
        (row,) = await database.fetch("SELECT pseudonym FROM erased_users")
        assert (await answered(client, f"{V1}/customers/{row[0]}"))["user_id"] == row[0]
