"""The webhook on a real receiver: signed, in order, at least once, whatever fails."""

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import orjson
import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from app.errors import SettingsError
from app.metrics import WorkerMetrics
from app.settings import FraudSettings, Settings
from app.sink.anomaly_detector import AnomalyDetector
from app.sink.tables import STORED_TOPICS
from app.stream.webhook import SIGNATURE_HEADER, Webhook
from tests.sink.chunk_slices import NOON, Sink, order, work_of
from tests.support.databases import Database
from tests.support.waiting import until

SECRET = "the receiver knows it"


@dataclass
class Receiver:
    """Keeps what it receives; answers each request with the next of `statuses`, then with 204."""

    statuses: list[int] = field(default_factory=list)
    received: list[dict[str, Any]] = field(default_factory=list)
    refused: int = 0
    url: str = ""

    async def take(self, request: web.Request) -> web.Response:
        """Checks the signature and keeps the message, unless the next status is a failure."""
        body = await request.read()
        parts = dict(part.split("=", 1) for part in request.headers[SIGNATURE_HEADER].split(","))
        signed = parts["t"].encode() + b"." + body
        assert hmac.compare_digest(parts["v1"], hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest())
        if self.statuses:
            self.refused += 1
            return web.Response(status=self.statuses.pop(0), headers={"Location": "/elsewhere"})
        self.received.append(orjson.loads(body))
        return web.Response(status=204)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver on a free port."""
    made = Receiver()
    app = web.Application()
    app.router.add_post("/cases", made.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    made.url = f"http://{host}:{port}/cases"
    yield made
    await runner.cleanup()


@asynccontextmanager
async def _telling(database: Database, url: str, severity: Any = "low") -> AsyncIterator[WorkerMetrics]:
    fraud = FraudSettings(
        webhook_url=url, webhook_secret=SecretStr(SECRET), webhook_severity=severity, webhook_retry_max_seconds=0.2
    )
    metrics = WorkerMetrics(CollectorRegistry())
    webhook = Webhook(database.postgres, fraud, metrics, lambda: NOON.timestamp())
    await webhook.start()
    try:
        yield metrics
    finally:
        await webhook.stop()


async def _cases(database: Database, first: int, count: int, **fields: Any) -> None:
    rows = [
        order(first + n, amount_cents=900_000 + n, timestamp=NOON + timedelta(seconds=n), **fields)
        for n in range(count)
    ]
    async with database.worker(STORED_TOPICS["transactions"]) as connection:
        await Sink(connection, detector=AnomalyDetector(lambda: NOON)).commit(work_of(rows))


async def test_each_case_is_sent_signed_and_in_order(database: Database, receiver: Receiver) -> None:
    await _cases(database, 0, 3)
    async with _telling(database, receiver.url):
        await until(lambda: len(receiver.received) == 3)
        await _cases(database, 3, 2)
        await until(lambda: len(receiver.received) == 5)
    assert [received["transaction_id"] for received in receiver.received] == [f"t{n:06}" for n in range(5)]
    assert [received["position"] for received in receiver.received] == [1, 2, 3, 4, 5]
    first = receiver.received[0]
    assert (first["type"], first["user_id"], first["amount"], first["action"]) == (
        "case.opened",
        "ada",
        9000.0,
        "review",
    )
    assert [reason["rule_id"] for reason in first["reasons"]] == ["high_value"]


async def test_a_receiver_that_fails_gets_it_again_and_nobody_overtakes(database: Database, receiver: Receiver) -> None:
    receiver.statuses = [500, 404, 302]
    await _cases(database, 0, 2)
    async with _telling(database, receiver.url) as metrics:
        await until(lambda: len(receiver.received) == 2)
        assert metrics.registry.get_sample_value("globalmart_webhook_failures_total") == 3
        assert metrics.registry.get_sample_value("globalmart_webhook_delivered_total") == 2
    assert [received["position"] for received in receiver.received] == [1, 2] and receiver.refused == 3


async def test_the_position_survives_a_restart(database: Database, receiver: Receiver) -> None:
    await _cases(database, 0, 2)
    async with _telling(database, receiver.url):
        await until(lambda: len(receiver.received) == 2)
    await _cases(database, 2, 1)
    async with _telling(database, receiver.url), _telling(database, receiver.url):
        await until(lambda: len(receiver.received) == 3)
        await asyncio.sleep(0.5)
    assert [received["position"] for received in receiver.received] == [1, 2, 3]


async def test_a_receiver_that_is_down_delays_and_loses_nothing(database: Database, receiver: Receiver) -> None:
    await _cases(database, 0, 2)
    async with _telling(database, "http://127.0.0.1:9/cases") as metrics:
        await until(lambda: (metrics.registry.get_sample_value("globalmart_webhook_failures_total") or 0) >= 2)
        assert metrics.registry.get_sample_value("globalmart_webhook_waiting_cases") == 2
    async with _telling(database, receiver.url):
        await until(lambda: len(receiver.received) == 2)


async def test_the_log_shows_no_secret_of_the_address(
    database: Database, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    """Many receivers are known by a token in the path, or by user and password."""
    receiver.statuses = [500]
    await _cases(database, 0, 1)
    for url in (
        receiver.url.replace("//", "//shop:pass-word@") + "?key=to-ken",
        "http://127.0.0.1:9/to-ken",
        "http://",
    ):
        with caplog.at_level("WARNING"):
            async with _telling(database, url) as metrics:
                await until(lambda: (metrics.registry.get_sample_value("globalmart_webhook_failures_total") or 0) >= 1)
    assert "http://127.0.0.1" in caplog.text and "500" in caplog.text
    assert "pass-word" not in caplog.text and "to-ken" not in caplog.text


async def test_cases_below_the_severity_are_passed_over(database: Database, receiver: Receiver) -> None:
    """`high_value` is of high severity, `unusual_quantity` of medium."""
    rows = [order(0, quantity=50), order(1, amount_cents=900_000), order(2, quantity=50)]
    async with database.worker(STORED_TOPICS["transactions"]) as connection:
        await Sink(connection, detector=AnomalyDetector(lambda: NOON)).commit(work_of(rows))
    async with _telling(database, receiver.url, "high"):
        await until(lambda: len(receiver.received) == 1)

        async def all_sent() -> bool:
            (row,) = await database.fetch("SELECT numbered_position, told_position FROM webhook_progress")
            return tuple(row) == (3, 3)

        await until(all_sent)
    assert [received["transaction_id"] for received in receiver.received] == ["t000001"]


def test_a_url_needs_a_secret() -> None:
    with pytest.raises(SettingsError, match="WEBHOOK_URL needs WEBHOOK_SECRET"):
        Settings({"GLOBALMART_FRAUD_WEBHOOK_URL": "https://shop.example/cases"})
    with pytest.raises(SettingsError, match="must begin with http"):
        Settings({"GLOBALMART_FRAUD_WEBHOOK_URL": "shop.example", "GLOBALMART_FRAUD_WEBHOOK_SECRET": "x"})
