"""Latency at the guide's rates: from the producer's send to the worker's clock after COMMIT."""

import subprocess
import sys
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from time import sleep

from prometheus_client.parser import text_string_to_metric_families

_METRIC = "globalmart_end_to_end_seconds"


@dataclass(frozen=True, slots=True)
class Latency:
    """Quantiles interpolated within the histogram's buckets, in seconds."""

    events: int
    p50: float
    p99: float


def measure_latency(environment: Mapping[str, str], metrics_url: str, seconds: float) -> Latency:
    """Send live traffic for some seconds to a worker that runs and is idle."""
    before = _buckets(metrics_url)
    subprocess.run(
        [sys.executable, "-m", "app.cli", "generate", "--duration", str(seconds)],
        env=dict(environment), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    sleep(2)
    after = _buckets(metrics_url)
    counts = {bound: after[bound] - before.get(bound, 0) for bound in after}
    return Latency(int(max(counts.values())), quantile(counts, 0.5), quantile(counts, 0.99))


def quantile(cumulative: Mapping[float, float], share: float) -> float:
    """Quantile of a cumulative histogram (upper bound -> count), linear within the bucket as Prometheus does."""
    bounds = sorted(cumulative)
    rank = share * cumulative[bounds[-1]]
    lower, below = 0.0, 0.0
    for bound in bounds:
        if cumulative[bound] >= rank:
            inside = cumulative[bound] - below
            if bound == float("inf") or not inside:
                return lower
            return lower + (bound - lower) * (rank - below) / inside
        lower, below = bound, cumulative[bound]
    return lower


def start_worker(environment: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
    """A worker process; stop it by its handle."""
    with log.open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "faust", "-A", "app.worker", "worker", "-l", "info"],
            env=dict(environment), stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip


def _buckets(url: str) -> dict[float, float]:
    with urllib.request.urlopen(url, timeout=5) as answer:
        text = answer.read().decode()
    return {
        float(sample.labels["le"]): sample.value
        for family in text_string_to_metric_families(text)
        if family.name == _METRIC
        for sample in family.samples
        if sample.name == f"{_METRIC}_bucket"
    }
