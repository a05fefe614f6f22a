"""A real Prometheus over a real worker and a real API that have really consumed generated traffic."""

import asyncio
import json
import os
import signal
import sys
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import asyncpg
import pytest

from app.patience import LOOK_SECONDS
from app.postgres.connections import connect_owner, connect_reader
from app.settings import Settings
from batch.run_metrics import write_metrics
from compose.demo.observability import start_prometheus
from compose.embedded.ports import LOOPBACK, choose_port, fetch
from compose.embedded.process import ServerProcess
from compose.embedded.stack import EmbeddedStack
from tests.faults import databases, topics
from tests.faults.world import World
from tests.support.waiting import PATIENCE_SECONDS, wait_until

_PROJECT: Final = Path(__file__).parents[2]
_DIRTY: Final = {
    "GENERATOR_USERS": "300",
    "GENERATOR_PRODUCTS": "300",
    "GENERATOR_CATEGORIES": "12",
    "GENERATOR_HIGH_VALUE_SHARE": "0.02",
    "GENERATOR_UNUSUAL_QUANTITY_SHARE": "0.02",
    "GENERATOR_RAPID_SHARE": "0.01",
    "GENERATOR_LATE_SHARE": "0.02",
    "GENERATOR_MALFORMED_SHARE": "0.03",
    "GENERATOR_THINK_SECONDS": "0.3",
    "GENERATOR_SYSTEM_METRIC_RATE": "60",
}
# So low that this traffic is above them.
_STRICT: Final = {
    "ALERT_DEAD_LETTER_SHARE": "0.0001",
    "ALERT_ANOMALY_SHARE": "0.0001",
    "ALERT_LATENCY_SECONDS": "0.0001",
}


def until(true: Callable[[], bool], otherwise: str) -> None:
    """Wait for a condition that is asked for over HTTP; fails with the text when patience runs out."""
    wait_until(true, lambda: otherwise, look_seconds=0.3)


async def _label(settings: Settings) -> bool:
    """Says of the orders flagged within the hour that they were fraud; returns whether there is one."""
    connection = await connect_owner(settings.postgres)
    try:
        status = await connection.execute(
            "INSERT INTO fraud_labels (transaction_id, label, source, event_time, author) "
            "SELECT DISTINCT transaction_id, 'fraud', 'import', event_time, 'test' FROM transaction_anomalies "
            "WHERE event_time > now() - interval '50 minutes'"
        )
        return bool(status != "INSERT 0 0")
    finally:
        await connection.close()


class Monitored:
    """The shop while traffic flows, and questions to its Prometheus and its PostgreSQL."""

    def __init__(self, url: str, settings: Settings) -> None:
        self.settings = settings
        self._url = url

    def ask(self, path: str, **parameters: Any) -> Any:
        """The data of an answer of Prometheus's HTTP API; fails with what it says is wrong."""
        query = urllib.parse.urlencode(parameters)
        with urllib.request.urlopen(f"{self._url}/api/v1/{path}?{query}", timeout=PATIENCE_SECONDS) as answer:
            content = json.load(answer)
        assert content["status"] == "success", content
        return content["data"]

    def value(self, promql: str) -> float:
        """The sum of what an instant query finds, 0 for nothing."""
        return sum(float(one["value"][1]) for one in self.ask("query", query=promql)["result"])

    async def rows(self, *queries: str) -> list[list[asyncpg.Record]]:
        """Rows of each query as the reader, all of one snapshot: the stream goes on meanwhile."""
        connection = await connect_reader(self.settings.postgres, "grafana")
        try:
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                return [await connection.fetch(query) for query in queries]
        finally:
            await connection.close()


@pytest.fixture(scope="module")
def monitored(stack: EmbeddedStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Monitored]:
    """Traffic flows as long as the module's tests run."""
    folder = tmp_path_factory.mktemp("monitored")
    topics.recreate_topics(stack.kafka.bootstrap)
    database = asyncio.run(databases.create_database(stack))
    world = World(stack, folder, database)
    children: list[ServerProcess] = []
    try:
        yield _started(world, folder, children)
    finally:
        for child in reversed(children):
            child.stop()
        world.close()
        asyncio.run(databases.drop_database(stack, database))


def _started(world: World, folder: Path, children: list[ServerProcess]) -> Monitored:
    api_port, worker_port = choose_port(), choose_port()
    _leave_a_batch_run(folder / "batch.prom")
    ports = {"API_PORT": str(api_port), "WORKER_METRICS_PORT": str(worker_port)}
    changes = _DIRTY | _STRICT | ports | {"VAR_DIR": str(folder)}
    environ = world.environment(**changes)

    def run(*arguments: str) -> ServerProcess:
        child = world.stack.child(f"monitored-{arguments[0]}", signal.SIGINT)
        children.append(child)
        command = [sys.executable, "-m", "app.cli", *arguments]
        child.spawn(command, cwd=_PROJECT, environ={**os.environ, **environ})
        return child

    # One failed commit, so that failures are there to be shown.
    world.armed("before_commit", "exception", 2, **changes)
    run("api")
    history = run("generate", "--backfill", "4d", "--orders-per-day", "250")
    settings = Settings(environ)
    url = start_prometheus(world.stack, settings, [worker_port], [api_port], scrape_seconds=1)
    assert url is not None, "Prometheus is not installed; see `make packages`"
    monitored = Monitored(url, settings)
    until(lambda: history.exit_code == 0, "the history is not sent")
    run("generate")
    api_url = f"http://{LOOPBACK}:{api_port}"
    until(lambda: fetch(f"{api_url}/api/v1/dimensions", LOOK_SECONDS) is not None, "the API does not answer")
    until(lambda: _figures_flow(monitored, api_url), "the traffic does not show in Prometheus")
    until(lambda: asyncio.run(_label(settings)), "no order of this hour is flagged")
    return monitored


def _figures_flow(monitored: Monitored, api_url: str) -> bool:
    """Whether Prometheus has seen live traffic, all kinds of anomalies, and a busy API, twice."""
    assert fetch(f"{api_url}/api/v1/sales/metrics", LOOK_SECONDS) is not None
    return all(
        monitored.value(promql) > 0
        for promql in (
            "sum(rate(globalmart_transactions_by_country_total[8s]))",
            "sum(rate(globalmart_late_events_total[8s]))",
            "sum(rate(globalmart_outbox_published_total[8s]))",
            "sum(rate(globalmart_api_requests_total[8s]))",
            'sum(globalmart_anomalies_total{type="rapid_transactions"})',
            "sum(globalmart_sink_failures_total)",
            "sum(globalmart_batch_age_seconds)",
        )
    )


def _leave_a_batch_run(path: Path) -> None:
    """What a nightly run leaves behind, written by the batch's own code."""
    ended = datetime.now(UTC) - timedelta(hours=3)
    run = {
        "job": "nightly",
        "status": "published",
        "started": ended - timedelta(minutes=4),
        "ended": ended,
        "counts": {"fact_sales": 1200, "customer_segments": 300},
    }
    write_metrics(path, [run])
