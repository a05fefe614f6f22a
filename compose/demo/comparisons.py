"""The demo's last comparisons, when no figure changes any more: the warehouse with PostgreSQL, the API with both."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table

from app.errors import EmbeddedStackError, RecountError, text_of
from app.patience import PATIENCE_SECONDS
from app.reconcile.comparison import Comparison
from app.reconcile.serving.api_check import API, Api, check_api
from app.reconcile.warehouse.warehouse_check import WarehouseReport, check_warehouse
from app.settings import Settings
from app.terminal import figures_table
from compose.demo.batch_process import NightlyRun, run_nightly
from compose.demo.processes import Processes


def compare_warehouse(
    processes: Processes, settings: Settings, console: Console, first: NightlyRun | None
) -> WarehouseReport:
    """Runs the batch up to and including today, after the first run, and compares what it publishes."""
    as_of = datetime.now(UTC).date()
    try:
        if first is not None:
            console.print("Waiting for the first batch", style="dim")
            first.finish()
        seconds = run_nightly(processes, as_of, console)
        console.print(f"Comparing the warehouse with PostgreSQL up to and including {as_of}", style="dim")
        report = replace(asyncio.run(check_warehouse(settings)), seconds=seconds)
    except (EmbeddedStackError, RecountError) as error:
        return WarehouseReport(as_of, failure=text_of(error))
    if report.as_of != as_of:
        return WarehouseReport(as_of, failure=f"the published run is of {report.as_of}, not of {as_of}")
    return report


def compare_api(api_url: str, settings: Settings, console: Console) -> Comparison:
    """Compares every answer of the API with the stores."""
    console.print("Comparing every answer of the API with the stores", style="dim")
    try:
        return asyncio.run(check_api(settings, Api(api_url), PATIENCE_SECONDS))
    except RecountError as error:
        return Comparison(API, failure=text_of(error))


def api_table(report: Mapping[str, Any]) -> Table:
    """How many figures of the API were compared, and how many of them differ."""
    table = figures_table("answers", "figures", "mismatches")
    table.add_row("REST API", f"{report[API]['compared']:,}", f"{report[API]['mismatches']:,}")
    return table
