"""Every metric the program exposes, read from its own registries: worker, API with the batch, process, disk."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from prometheus_client import CollectorRegistry, Metric

from api.api_metrics import ApiMetrics, BatchCollector
from app.metrics import WorkerMetrics
from app.prometheus import register_process
from batch.run_metrics import write_metrics

_RUN = {
    "job": "nightly",
    "status": "published",
    "started": datetime(2025, 12, 8, tzinfo=UTC),
    "ended": datetime(2025, 12, 8, tzinfo=UTC),
    "counts": {},
}


def exposed_metrics() -> set[str]:
    """Names as Prometheus documents them: counters end in `_total`, histograms have no suffix."""
    return {family.name + ("_total" if family.type == "counter" else "") for family in _families()}


def exposed_series() -> set[str]:
    """Names that can stand in a query: histograms by their buckets, sums and counts."""
    names = set()
    for family in _families():
        if family.type == "histogram":
            names |= {f"{family.name}_{part}" for part in ("bucket", "sum", "count")}
        else:
            names.add(family.name + ("_total" if family.type == "counter" else ""))
    return names


def _families() -> Iterator[Metric]:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "batch.prom"
        write_metrics(path, [_RUN])
        registry = WorkerMetrics(CollectorRegistry()).registry
        register_process(registry, Path(folder))
        registry.register(BatchCollector(path, lambda: 0.0))
        yield from registry.collect()
    yield from ApiMetrics(CollectorRegistry()).registry.collect()
