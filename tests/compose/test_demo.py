import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from app.topics import SOURCE_TOPICS
from compose.embedded.stack import remove_stack

_PROJECT = Path(__file__).parents[2]


@pytest.fixture
def var_dir(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    remove_stack(tmp_path)


def _demo(var_dir: Path) -> subprocess.Popen[str]:
    """A demo that must not mind settings of stores that are not its own."""
    environ = {
        **os.environ,
        "GLOBALMART_VAR_DIR": str(var_dir),
        "GLOBALMART_POSTGRES_HOST": "store.invalid",
        "GLOBALMART_KAFKA_BOOTSTRAP": "kafka.invalid:9092",
        "GLOBALMART_DEMO_HISTORY_DAYS": "2",
        "GLOBALMART_GENERATOR_TRANSACTION_RATE": "20",
        "GLOBALMART_GENERATOR_PRODUCT_VIEW_RATE": "30",
    }
    return subprocess.Popen(
        [sys.executable, "-m", "app.cli", "demo"],
        cwd=_PROJECT, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def _read_until(demo: subprocess.Popen[str], text: str) -> list[psutil.Process]:
    """Read the demo's output up to a line with the text; the processes it runs by then."""
    assert demo.stdout is not None
    seen = []
    for line in demo.stdout:
        seen.append(line)
        if text in line:
            return psutil.Process(demo.pid).children(recursive=True)
    raise AssertionError(f"{text!r} was never said:\n{''.join(seen)}")


def _assert_gone(processes: list[psutil.Process]) -> None:
    _, left = psutil.wait_procs(processes, timeout=30)
    assert left == []


def test_ctrl_c_ends_the_traffic_and_every_figure_is_recounted(var_dir: Path) -> None:
    with _demo(var_dir) as demo:
        _read_until(demo, "worker metrics")  # the history is behind it
        _read_until(demo, "Prometheus  http://127.0.0.1:")
        processes = _read_until(demo, "anomalies")
        demo.send_signal(signal.SIGINT)
        said, _ = demo.communicate(timeout=120)
    assert demo.returncode == 0, said
    assert "every figure agrees with the recount" in said
    _assert_gone(processes)
    report = json.loads((var_dir / "demo-report.json").read_text())
    assert report["mismatches"] == 0
    assert set(report["produced"]) == set(SOURCE_TOPICS)
    assert report["windows"]["rows"] > 0
    for topic in SOURCE_TOPICS:
        outcomes = (report[name][topic] for name in ("stored", "duplicates", "dead_lettered"))
        assert report["produced"][topic] == sum(outcomes)


def test_a_termination_half_way_leaves_nothing_running(var_dir: Path) -> None:
    with _demo(var_dir) as demo:
        processes = _read_until(demo, "Starting PostgreSQL")
        demo.terminate()
        demo.communicate(timeout=60)
    assert demo.returncode == 128 + signal.SIGTERM
    assert processes != []
    _assert_gone(processes)
