"""Latency at the guide's rates: from the producer's send to the worker's clock after COMMIT."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from time import sleep

from app.domain.quantiles import quantile
from compose.demo.figures import read_buckets, read_metrics


def measure_latency(environment: Mapping[str, str], metrics_port: int, seconds: float) -> dict[str, float | None]:
    """Send live traffic for some seconds to a worker that runs and is idle; quantiles in seconds."""
    before = read_buckets(read_metrics(metrics_port) or "")
    subprocess.run(
        [sys.executable, "-m", "app.cli", "generate", "--duration", str(seconds)],
        env=dict(environment),
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    sleep(2)
    after = read_buckets(read_metrics(metrics_port) or "")
    counts = {bound: count - before.get(bound, 0) for bound, count in after.items()}
    return {"events": max(counts.values()), "p50": quantile(counts, 0.5), "p99": quantile(counts, 0.99)}


def start_worker(environment: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
    """A worker process; stop it by its handle."""
    with log.open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "faust", "-A", "app.worker", "worker", "-l", "info"],
            env=dict(environment),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
