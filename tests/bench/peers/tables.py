"""The part's figures as tables of a terminal."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table


def print_peers(console: Console, report: Mapping[str, Any]) -> None:
    """Print the steps that were run."""
    if "throughput" in report:
        console.print(_throughput(report["throughput"]))
        console.print(f"ratios: {report['throughput']['ratios']}")
    if "latency" in report:
        console.print(_latency(report["latency"]))
    if "kill" in report:
        console.print(_kill(report["kill"]))


def _throughput(step: Mapping[str, Any]) -> Table:
    columns = ("events/s", "CPU us/event", "of the servers", "peak RSS MB")
    table = Table("contender", *columns, title=f"A backlog of {step['records']:,} transactions")
    for name, figures in step["contenders"].items():
        table.add_row(
            name,
            f"{figures['events_per_second']:,.0f}",
            f"{figures['cpu_us_per_event']:.1f}",
            f"{figures['server_cpu_us_per_event']:.1f}",
            f"{figures['peak_rss_mb']:.0f}",
        )
    return table


def _latency(step: Mapping[str, Any]) -> Table:
    table = Table("contender", "p50 s", "p99 s", "longest s", "cores", title="From sent to committed, 600 events/s")
    for name, figures in step["contenders"].items():
        table.add_row(name, *(f"{figures[column]:.3f}" for column in ("p50", "p99", "longest", "cores")))
    return table


def _kill(step: Mapping[str, Any]) -> Table:
    columns = (
        "s to first commit",
        "rows missing / twice",
        "window counts missing / twice",
        "anomalies missing / twice",
    )
    table = Table("contender", *columns, title="After one kill -9 and a restart")
    for name, figures in step["contenders"].items():
        verdict = figures["verdict"]
        table.add_row(
            name,
            f"{figures['seconds_to_first_commit']:.1f}",
            *(f"{verdict[kind]['missing']:,} / {verdict[kind]['surplus']:,}" for kind in verdict),
        )
    return table
