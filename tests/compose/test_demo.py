import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

from app.cli.reconcile import compare_layers
from app.domain.anomalies import ANOMALY_TYPES
from app.reconcile.comparison import Comparison
from app.reconcile.serving.api_check import expected_answers
from app.reconcile.warehouse.stored_totals import SEGMENT_NAMES, open_auditor
from app.settings import Settings, load_settings
from app.topics import SOURCE_TOPICS
from compose.demo.demo import SERVICES
from compose.demo.processes import Processes
from compose.embedded.stack import EmbeddedStack, remove_stack
from tests.api.dashboard.page_reader import page_reader, read_pages
from tests.api.dashboard.page_texts import pages
from tests.support.waiting import PATIENCE_SECONDS, PROGRAM_SECONDS, until

_PROJECT = Path(__file__).parents[2]
#: By type, those of the 200 newest that the dashboard's page shows.
_NEWEST_ANOMALIES = """
SELECT kind AS anomaly_type, count(anomaly_type) FROM unnest($1::text[]) AS kind
LEFT JOIN (SELECT anomaly_type FROM transaction_anomalies ORDER BY event_time DESC, id DESC LIMIT 200)
    AS newest ON anomaly_type = kind GROUP BY kind"""
#: Whether no order lies in the live minute, nor in the answer that the API may have kept.
_QUIET = "SELECT max(timestamp) < clock_timestamp() - interval '65 s' FROM transactions"


@pytest.fixture
def taken() -> Iterator[int]:
    """A port somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def var_dir(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    remove_stack(tmp_path)


@contextmanager
def _demo(var_dir: Path, taken: int) -> Iterator[subprocess.Popen[str]]:
    """A demo that must not mind settings of stores that are not its own, nor that its API's port is taken.

    It does not outlive the block: its guard stops what it started.
    """
    environ = {
        **os.environ,
        "GLOBALMART_VAR_DIR": str(var_dir),
        "GLOBALMART_POSTGRES_HOST": "store.invalid",
        "GLOBALMART_KAFKA_BOOTSTRAP": "kafka.invalid:9092",
        "GLOBALMART_MONGO_URL": "mongodb://store.invalid/",
        "GLOBALMART_KAFKA_SECURITY": "sasl_ssl",
        "GLOBALMART_KAFKA_USER": "nobody",
        "GLOBALMART_KAFKA_PASSWORD": "none",
        "GLOBALMART_POSTGRES_SSLMODE": "verify-full",
        "GLOBALMART_POSTGRES_CA_FILE": "authority.invalid",
        "GLOBALMART_BATCH_LAKE": str(var_dir / "lake-of-others"),
        "GLOBALMART_BATCH_MASTER": "spark://cluster.invalid:7077",
        "GLOBALMART_API_KEY_HASHES": "0" * 64,
        "GLOBALMART_API_PORT": str(taken),
        "GLOBALMART_DEMO_HISTORY_DAYS": "2",
        "GLOBALMART_DEMO_ORDERS_PER_DAY": "500",
        "GLOBALMART_GENERATOR_TRANSACTION_RATE": "20",
        "GLOBALMART_GENERATOR_PRODUCT_VIEW_RATE": "30",
    }
    with subprocess.Popen(
        [sys.executable, "-m", "app.cli", "demo", "--rush"],
        cwd=_PROJECT,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as demo:
        try:
            yield demo
        finally:
            demo.kill()


def _read_until(demo: subprocess.Popen[str], pattern: str) -> list[psutil.Process]:
    """Read the demo's output up to a line that matches; the processes it runs by then."""
    assert demo.stdout is not None
    seen = []
    for line in demo.stdout:
        seen.append(line)
        if re.search(pattern, line):
            return psutil.Process(demo.pid).children(recursive=True)
    raise AssertionError(f"{pattern!r} was never said:\n{''.join(seen)}")


def _assert_gone(processes: list[psutil.Process]) -> None:
    _, left = psutil.wait_procs(processes, timeout=PATIENCE_SECONDS)
    assert left == []


def test_ctrl_c_ends_the_traffic_and_every_figure_is_compared(var_dir: Path, taken: int) -> None:
    with _demo(var_dir, taken) as demo:
        _read_until(demo, "First figures after")
        _read_until(demo, "Running globalmart batch nightly")  # of the history, during the traffic
        _read_until(demo, "REST API")
        _read_until(demo, "Prometheus  http://127.0.0.1:")
        processes = _read_until(demo, r"p50 \d")  # live records have been committed
        demo.send_signal(signal.SIGINT)
        said, _ = demo.communicate(timeout=PROGRAM_SECONDS)
    assert demo.returncode == 0, said
    assert "every figure agrees with the recount" in said
    assert f"published {_today() - timedelta(days=1)}" in said
    _assert_gone(processes)
    report = json.loads((var_dir / "demo-report.json").read_text())
    assert report["mismatches"] == 0
    assert set(report["produced"]) == set(SOURCE_TOPICS)
    assert report["windows"]["rows"] > 0
    assert report["latency_seconds"]["records"] > 0
    assert not (var_dir / "lake-of-others").exists()
    _assert_the_warehouse_holds_today(report)
    _assert_the_api_answers_it(report)
    for topic in SOURCE_TOPICS:
        outcomes = (report[name][topic] for name in ("stored", "duplicates", "dead_lettered"))
        assert report["produced"][topic] == sum(outcomes)
    _compare_once_more(var_dir)


def _assert_the_warehouse_holds_today(report: dict[str, Any]) -> None:
    warehouse = report["warehouse"]
    assert warehouse["mismatches"] == 0
    assert date.fromisoformat(warehouse["as_of"]) in (_today(), _today() - timedelta(days=1))
    checks = warehouse["checks"]
    for check in checks.values():
        assert check["figures"] > 0
        assert check["expected"] == check["found"] != "0"
    # 2 days back to now touch three dates unless midnight is sharp.
    assert checks["revenue by day"]["figures"] >= 2
    assert int(checks["orders by day"]["found"]) == report["stored"]["transactions"]
    customers = warehouse["customers_by_segment"]
    assert set(customers) | set(warehouse["unused_segments"]) == SEGMENT_NAMES
    assert sum(customers.values()) == int(checks["customers by segment"]["found"])


def _assert_the_api_answers_it(report: dict[str, Any]) -> None:
    assert report["first_figures_seconds"] > 0
    assert report["api"]["mismatches"] == 0
    assert report["api"]["compared"] > 1000  # a line per product alone is thousands


def _compare_once_more(var_dir: Path) -> None:
    """The stores that the demo left: compared by an operator's command, and page by page in a browser."""
    with EmbeddedStack(var_dir, services=SERVICES, fresh=False, preferred_ports=False) as stack:
        processes = Processes(stack, {**os.environ, **stack.environment(), "GLOBALMART_ENV_FILE": ""})
        processes.start_services()
        settings = load_settings(processes.environ)
        assert compare_layers(settings, True, processes.api_url, var_dir / "layers.json") == 0
        sections = json.loads((var_dir / "layers.json").read_text())
        assert sections["api"]["compared"] > 1000
        assert sections["warehouse"]["mismatches"] == 0
        stored = asyncio.run(expected_answers(settings))
        wanted = pages(stored.figures, stored.customer["user_id"], asyncio.run(_newest_anomalies(settings)))
        expected = {name: value for page in wanted for name, value in page.expected(stored.figures).items()}
        with page_reader(processes.dashboard_url) as reader:
            found = read_pages(reader, wanted)
        assert Comparison("dashboard", expected, found).differences == []
        assert len(found) > 1000  # the downloaded tables hold a line per product
        label = f"{wanted[0].name}: {next(iter(wanted[0].cards))}"
        assert Comparison("dashboard", expected | {label: "$0.01"}, found).differences != []


async def _newest_anomalies(settings: Settings) -> dict[str, int]:
    """Those on the page once the live minute is over, in which the overview shows no revenue any more."""
    async with open_auditor(settings.postgres) as connection:
        await until(lambda: connection.fetchval(_QUIET))
        rows = await connection.fetch(_NEWEST_ANOMALIES, list(ANOMALY_TYPES))
    return {row["anomaly_type"]: row["count"] for row in rows}


def _today() -> date:
    return datetime.now(UTC).date()


def test_a_termination_half_way_leaves_nothing_running(var_dir: Path, taken: int) -> None:
    with _demo(var_dir, taken) as demo:
        processes = _read_until(demo, "Starting PostgreSQL")
        demo.terminate()
        demo.communicate(timeout=PATIENCE_SECONDS)
    assert demo.returncode == 128 + signal.SIGTERM
    assert processes != []
    _assert_gone(processes)
