"""What Prometheus learns of the batch, made from the run log.

The nightly run ends with a text file for node_exporter's textfile collector; whoever else has the log at hand can
fill a registry of its own with `register_runs`. The age of the last success is `time()` minus its time.
"""

from collections.abc import Iterable
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge, write_to_textfile

from batch.warehouse import Document


def register_runs(registry: CollectorRegistry, runs: Iterable[Document]) -> None:
    """Gauges of the newest runs, as `last_runs` finds them; `command` is the job."""
    success = Gauge(
        "globalmart_batch_last_success_timestamp_seconds",
        "Unix time at which the last published run ended.",
        ["command"],
        registry=registry,
    )
    duration = Gauge(
        "globalmart_batch_duration_seconds",
        "Duration of the last run.",
        ["command"],
        registry=registry,
    )
    succeeded = Gauge(
        "globalmart_batch_last_run_success",
        "1 if the last run was published, 0 if it failed.",
        ["command"],
        registry=registry,
    )
    rows = Gauge(
        "globalmart_batch_rows", "Rows of a mart as last published.", ["mart"], registry=registry
    )
    for run in runs:
        published = run["status"] == "published"
        succeeded.labels(run["job"]).set(published)
        duration.labels(run["job"]).set((run["ended"] - run["started"]).total_seconds())
        if published:
            success.labels(run["job"]).set(run["ended"].timestamp())
            for mart, count in run.get("counts", {}).items():
                rows.labels(mart).set(count)


def write_metrics(path: Path, runs: Iterable[Document]) -> None:
    """Replace the text file at once."""
    registry = CollectorRegistry()
    register_runs(registry, runs)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_to_textfile(str(path), registry)
