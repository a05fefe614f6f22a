"""End-to-end latency from the worker's own histogram."""

import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from prometheus_client.parser import text_string_to_metric_families

from app.domain.quantiles import quantile
from app.patience import ANSWER_SECONDS
from compose.embedded.ports import LOOPBACK

__all__ = ["HISTOGRAM", "Latency", "quantile", "read_buckets", "read_latency", "read_metrics"]

HISTOGRAM: Final = "globalmart_end_to_end_seconds"


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds from the producer's send to PostgreSQL's commit; None while nothing was measured."""

    p50: float | None = None
    p99: float | None = None


def read_metrics(port: int) -> str | None:
    """Returns the worker's metrics page, None while it does not answer."""
    try:
        with urllib.request.urlopen(f"http://{LOOPBACK}:{port}/metrics", timeout=ANSWER_SECONDS) as answer:
            return str(answer.read().decode())
    except (OSError, urllib.error.URLError):
        return None


def read_latency(page: str, since: Mapping[float, float] | None = None) -> Latency:
    """Returns quantiles of the histogram's counts since the given buckets, over all label sets."""
    since = since or {}
    buckets = {limit: count - since.get(limit, 0.0) for limit, count in read_buckets(page).items()}
    return Latency(quantile(buckets, 0.5), quantile(buckets, 0.99))


def read_buckets(page: str) -> dict[float, float]:
    """Returns the histogram's cumulative counts by upper bound in seconds."""
    buckets: dict[float, float] = {}
    for family in text_string_to_metric_families(page):
        if family.name == HISTOGRAM:
            for sample in family.samples:
                if sample.name.endswith("_bucket"):
                    limit = float(sample.labels["le"])
                    buckets[limit] = buckets.get(limit, 0.0) + sample.value
    return buckets
