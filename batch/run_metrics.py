"""Prometheus metrics of the batch, made from the run log.

The nightly run ends with a text file for node_exporter's textfile collector; any other process with access to the log
can fill a registry with `register_runs`. The age of the last success is `time()` minus its time.
"""

from collections.abc import Iterable
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge, write_to_textfile

from batch.warehouse_writer import Document


class BatchMetrics:
    """The gauges. The label of a job is `command`, because Prometheus sets a label `job` of its own at a scrape."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, meaning: str, *labels: str) -> Gauge:
            return Gauge(f"globalmart_batch_{name}", meaning, labels, registry=registry)

        self.success = gauge("last_success_timestamp_seconds", "When the last published run ended.", "command")
        self.succeeded = gauge("last_run_success", "1 if the last run was published, 0 if it failed.", "command")
        self.duration = gauge("duration_seconds", "Duration of the last run.", "command")
        self.stage = gauge("stage_seconds", "Duration of a stage of the last published run.", "command", "stage")
        self.extracted = gauge("extracted_rows", "Rows the last published run read from PostgreSQL.", "command")
        self.rows = gauge("rows", "Rows of a mart as last published.", "mart")

    def show(self, run: Document) -> None:
        """Sets the gauges from one run of the log; to be called for older runs first."""
        job = run["job"]
        published = run["status"] == "published"
        self.succeeded.labels(job).set(published)
        self.duration.labels(job).set((run["ended"] - run["started"]).total_seconds())
        if not published:
            return
        self.success.labels(job).set(run["ended"].timestamp())
        self.extracted.labels(job).set(run.get("extracted_rows", 0))
        for stage, seconds in run.get("stage_seconds", {}).items():
            self.stage.labels(job, stage).set(seconds)
        for mart, count in run.get("counts", {}).items():
            self.rows.labels(mart).set(count)


def register_runs(registry: CollectorRegistry, runs: Iterable[Document]) -> None:
    """Registers gauges of the newest runs, as returned by `last_runs`, oldest first."""
    metrics = BatchMetrics(registry)
    for run in runs:
        metrics.show(run)


def write_metrics(path: Path, runs: Iterable[Document]) -> None:
    """Replaces the text file atomically."""
    registry = CollectorRegistry()
    register_runs(registry, runs)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_to_textfile(str(path), registry)
