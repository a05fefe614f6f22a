"""The demo's report: tables on the screen and `demo-report.json`."""

import json
from pathlib import Path
from typing import Any

from rich.table import Table

from app.domain.anomalies import ANOMALY_TYPES
from app.reconcile.comparison import Comparison
from app.reconcile.stream.report import ReconcileReport
from app.reconcile.warehouse.warehouse_check import WarehouseReport
from app.terminal import figures_table
from compose.demo.figures import Figures, Latency

_COUNTERS = ("produced", "stored", "duplicates", "dead_lettered", "late")


def demo_report(
    seconds: float,
    first_figures_seconds: float | None,
    broker: str,
    figures: Figures,
    latency: Latency,
    recount: ReconcileReport,
    warehouse: WarehouseReport,
    api: Comparison,
) -> dict[str, Any]:
    """Returns the results as plain data: per topic, per anomaly type, windows, warehouse, API."""
    return {
        "duration_seconds": round(seconds, 1),
        "first_figures_seconds": first_figures_seconds and round(first_figures_seconds, 1),
        "broker": broker,
        **_counters(figures),
        "anomalies": _anomalies(recount),
        "windows": _windows(recount),
        "latency_seconds": {"p50": latency.p50, "p99": latency.p99, "records": latency.records},
        "warehouse": warehouse.as_data(),
        api.what: api.as_data(),
        "mismatches": (
            recount.total_mismatches + balance_mismatches(figures) + len(warehouse.differences) + len(api.differences)
        ),
        "details": [*(f"{one.kind}: {one.message}" for one in recount.mismatches), *warehouse.details, *api.details],
    }


def _counters(figures: Figures) -> dict[str, dict[str, int]]:
    return {name: {topic: getattr(counts, name) for topic, counts in figures.topics.items()} for name in _COUNTERS}


def _anomalies(recount: ReconcileReport) -> dict[str, dict[str, int]]:
    kinds = {kind: recount.anomaly(kind) for kind in ANOMALY_TYPES}
    return {kind: {"expected": figures.expected, "found": figures.found} for kind, figures in kinds.items()}


def _windows(recount: ReconcileReport) -> dict[str, int]:
    windows = recount.table("sales_metrics")
    return {"expected": windows.expected, "rows": windows.found, "mismatches": windows.mismatches}


def balance_mismatches(figures: Figures) -> int:
    """Number of topics where produced differs from stored + duplicates + dead-lettered once all is committed."""
    return sum(
        topic.produced != topic.stored + topic.duplicates + topic.dead_lettered for topic in figures.topics.values()
    )


def write_report(report: dict[str, Any], path: Path) -> None:
    """Writes the report and renames it into place, so that no reader sees half of one."""
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    draft.replace(path)


def checks_table(report: dict[str, Any]) -> Table:
    """Table of anomalies by type and of windows: expected by the recount, and stored."""
    table = figures_table("recount", "expected", "found")
    for kind, counts in report["anomalies"].items():
        table.add_row(f"anomalies {kind}", f"{counts['expected']:,}", f"{counts['found']:,}")
    windows = report["windows"]
    table.add_row("sales windows", f"{windows['expected']:,}", f"{windows['rows']:,}")
    return table


def latency_line(report: dict[str, Any]) -> str:
    """The live traffic's latency from the producer's send to the commit."""
    p50, p99, records = (report["latency_seconds"][name] for name in ("p50", "p99", "records"))
    if p50 is None or p99 is None:
        return "no live record was measured"
    return (
        f"latency from sent to committed: p50 {p50 * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms of {records:,} live records"
    )


def report_table(report: dict[str, Any]) -> Table:
    """Table of the counters per topic."""
    table = figures_table("topic", *(name.replace("_", " ") for name in _COUNTERS))
    for topic in report["produced"]:
        table.add_row(topic, *(f"{report[name][topic]:,}" for name in _COUNTERS))
    return table
