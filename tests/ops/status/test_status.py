"""`globalmart status`: the state of the stores, also when one of them does not answer."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from confluent_kafka import Producer
from pymongo import MongoClient
from rich.console import Console

from app.cli.status import view
from app.kafka.offsets import newest_record
from app.ops.status.collect import Status, collect_status
from app.published_run import POINTER, RUNS
from app.topics import CART_EVENTS, TRANSACTIONS
from compose.probe import main as probe
from tests.ops.conftest import Shop
from tests.support.waiting import PATIENCE_SECONDS

_NOBODY = "127.0.0.1:1"


def _send(shop: Shop, topic: str, count: int) -> None:
    """Records into the topic's first partition."""
    bootstrap = shop.variables["GLOBALMART_KAFKA_BOOTSTRAP"]
    producer = Producer({"bootstrap.servers": bootstrap, "log_level": 0})
    for _ in range(count):
        producer.produce(topic, b"{}", partition=0)
    assert producer.flush(PATIENCE_SECONDS) == 0


async def _book(shop: Shop, topic: str, consumed: int, next_offset: int) -> None:
    """What a worker leaves in the ledger."""
    async with shop.database.worker() as connection:
        await connection.execute(
            "INSERT INTO stream_progress (topic, partition, next_offset, consumed, stored, duplicates, watermark) "
            "VALUES ($1, 0, $2, $3::bigint, $3 - 1, 1, now()) ON CONFLICT (topic, partition) DO UPDATE SET "
            "next_offset = $2, consumed = $3, stored = $3 - 1",
            topic,
            next_offset,
            consumed,
        )


async def _heartbeats(shop: Shop) -> None:
    """One worker that is alive, however long the test takes, and one that was killed a minute ago."""
    async with shop.database.worker() as connection:
        await connection.execute(
            "INSERT INTO worker_heartbeats (worker_id, host, pid, started_at, seen_at, lag, latency, rss_bytes) "
            "VALUES ('w1', 'h', 1, now(), now() + interval '1 hour', '{}', '[]', 2000000), "
            "('w2', 'h', 2, now(), now() - interval '1 minute', '{}', '[]', 1)"
        )


def _shown(status: Status) -> str:
    console = Console(width=220, record=True, file=open(os.devnull, "w"))  # noqa: SIM115, PTH123
    with console.file:
        console.print(view(status))
    return console.export_text()


@pytest.fixture
def runs(shop: Shop) -> Iterator[Any]:
    """The test's run log."""
    client: MongoClient[dict[str, Any]] = MongoClient(shop.variables["GLOBALMART_MONGO_URL"])
    with client:
        yield client[shop.variables["GLOBALMART_MONGO_DATABASE"]]


def _run(number: int, status: str, **more: object) -> dict[str, Any]:
    started = datetime.now(UTC) - timedelta(hours=10 - number)
    return {
        "_id": f"run-{number}",
        "job": "nightly",
        "as_of": datetime(2026, 1, number, tzinfo=UTC),
        "status": status,
        "started": started,
        **more,
    }


async def test_all_stores_together(shop: Shop, runs: Any) -> None:
    _send(shop, TRANSACTIONS, 7)
    ended = datetime.now(UTC) - timedelta(hours=3)
    runs[RUNS].insert_many([_run(1, "published", ended=ended), _run(2, "failed", error="no orders")])
    runs[POINTER].insert_one({"_id": "current", "run_id": "run-1"})
    await _book(shop, TRANSACTIONS, 5, 5)
    await _heartbeats(shop)
    status = await collect_status(shop.settings(), 0.1)
    assert status.all_answer
    orders = status.topics[0]
    assert (orders.topic, orders.lag, orders.consumed, orders.stored) == (TRANSACTIONS, 2, 5, 4)
    assert orders.rate == 0.0
    assert status.runs is not None
    assert status.runs.published is not None
    assert status.runs.last is not None
    assert (status.runs.published.id, status.runs.last.id) == ("run-1", "run-2")
    assert status.disk_free > 0
    assert status.ledger is not None
    assert [worker.worker_id for worker in status.ledger.workers] == ["w1"]
    text = _shown(status)
    assert "workers: 1 (w1), 2.0 MB of memory" in text
    assert "nightly as of 2026-01-02 failed, started 8 h ago: no orders" in text
    assert "published: nightly as of 2026-01-01 published, ended 3 h ago" in text


async def test_a_rate_is_what_the_ledger_moved_meanwhile(shop: Shop) -> None:
    """The ledger moves all the time, so there is something between two looks at it."""
    booked = 1000
    await _book(shop, CART_EVENTS, booked, booked)
    looking = asyncio.create_task(collect_status(shop.settings(), 1.0))
    while not looking.done():
        await asyncio.sleep(0.05)
        booked += 1
        await _book(shop, CART_EVENTS, booked, booked)
    carts = next(topic for topic in (await looking).topics if topic.topic == CART_EVENTS)
    assert carts.rate is not None
    assert 0 < carts.rate <= booked - 1000


@pytest.mark.parametrize(
    ("down", "changed"),
    [
        ("Kafka", {"KAFKA_BOOTSTRAP": _NOBODY}),
        ("PostgreSQL", {"POSTGRES_HOST": "127.0.0.1", "POSTGRES_PORT": "1"}),
        ("PostgreSQL", {"POSTGRES_READER_PASSWORD": "wrong"}),
        ("MongoDB", {"MONGO_URL": f"mongodb://{_NOBODY}/", "MONGO_CONNECT_TIMEOUT_SECONDS": "0.5"}),
        ("MongoDB", {"MONGO_URL": ""}),
    ],
)
async def test_an_unreachable_store_is_named_and_the_rest_is_shown(
    shop: Shop, down: str, changed: dict[str, str]
) -> None:
    await _book(shop, TRANSACTIONS, 5, 5)
    status = await collect_status(shop.settings(**changed), 0.1)
    problems = {store.name: store.problem for store in status.stores}
    assert [name for name, problem in problems.items() if problem] == [down]
    assert not status.all_answer
    assert "GLOBALMART_" in str(problems[down])
    assert (status.topics[0].consumed is None) == (down == "PostgreSQL")
    assert (status.topics[0].lag is None) == (down != "MongoDB")
    assert (status.runs is None) == (down == "MongoDB")
    assert str(problems[down])[:40] in _shown(status)


async def test_a_database_without_our_schema_is_reported(blank_shop: Shop) -> None:
    status = await collect_status(blank_shop.settings(), 0.1)
    assert "run `globalmart migrate`" in str(status.stores[1].problem)


def _call(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "app.cli", "status", *arguments]


@pytest.mark.parametrize(("name", "code"), [(None, 0), ("no_such_database", 1)])
async def test_json_and_the_exit_code(shop: Shop, name: str | None, code: int) -> None:
    environ = os.environ | shop.variables
    if name is not None:
        environ["GLOBALMART_POSTGRES_DATABASE"] = name
    done = subprocess.run(
        _call("--json", "--over", "0.1"),
        env=environ,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == code, done.stderr
    answer = json.loads(done.stdout)
    assert answer["all_answer"] is (code == 0)
    assert [store["name"] for store in answer["stores"]] == ["Kafka", "PostgreSQL", "MongoDB"]
    assert len(answer["topics"]) == 4


def test_watching_ends_with_ctrl_c(shop: Shop) -> None:
    with subprocess.Popen(
        _call("--watch", "--over", "0.1"),
        env=os.environ | shop.variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as watching:
        assert watching.stdout is not None
        looks = 0
        try:
            while looks < 2:
                line = watching.stdout.readline()
                assert line, "it ended by itself"
                looks += TRANSACTIONS in line
            watching.send_signal(signal.SIGINT)
            watching.communicate(timeout=PATIENCE_SECONDS)
        finally:
            watching.kill()
    assert watching.returncode == 130


def test_records_are_seen_by_the_containers_health_check(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in shop.variables.items():
        monkeypatch.setenv(name, value)
    _send(shop, TRANSACTIONS, 1)
    newest = newest_record(shop.settings().kafka, [TRANSACTIONS])
    assert newest is not None
    assert probe(["records", "600"]) == 0
    assert probe(["records", "-600"]) == 1
    assert "the newest is of" in capsys.readouterr().err
