"""Prometheus metrics of the batch, made from the run log.

The nightly run ends with a text file for node_exporter's textfile collector. The age of the last success is `time()`
minus its time.
"""

from collections.abc import Iterable
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge, write_to_textfile

from batch.warehouse_writer import Document


def write_metrics(path: Path, runs: Iterable[Document]) -> None:
    """Replaces the text file atomically with the newest runs, as returned by `last_runs`, oldest first.

    The label of a job is `command`, because Prometheus sets a label `job` of its own at a scrape.
    """
    registry = CollectorRegistry()

    def gauge(name: str, meaning: str, *labels: str) -> Gauge:
        return Gauge(f"globalmart_batch_{name}", meaning, labels, registry=registry)

    success = gauge("last_success_timestamp_seconds", "When the last published run ended.", "command")
    succeeded = gauge("last_run_success", "1 if the last run was published, 0 if it failed.", "command")
    duration = gauge("duration_seconds", "Duration of the last run.", "command")
    stage_seconds = gauge("stage_seconds", "Duration of a stage of the last published run.", "command", "stage")
    extracted = gauge("extracted_rows", "Rows the last published run read from PostgreSQL.", "command")
    rows = gauge("rows", "Rows of a mart as last published.", "mart")
    for run in runs:
        job = run["job"]
        published = run["status"] == "published"
        succeeded.labels(job).set(published)
        duration.labels(job).set((run["ended"] - run["started"]).total_seconds())
        if not published:
            continue
        success.labels(job).set(run["ended"].timestamp())
        extracted.labels(job).set(run.get("extracted_rows", 0))
        for stage, seconds in run.get("stage_seconds", {}).items():
            stage_seconds.labels(job, stage).set(seconds)
        for mart, count in run.get("counts", {}).items():
            rows.labels(mart).set(count)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_to_textfile(str(path), registry)
