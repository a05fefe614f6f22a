"""The demo's last comparisons: the warehouse with PostgreSQL, then the API with both stores."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
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


@dataclass(frozen=True, slots=True)
class Comparisons:
    """Compares after the end of the traffic, when no figure changes any more."""

    processes: Processes
    settings: Settings
    console: Console

    def warehouse(self, first: NightlyRun | None) -> WarehouseReport:
        """Runs the batch up to and including today, after the first run, and compares what it publishes."""
        as_of = datetime.now(UTC).date()
        try:
            if first is not None:
                self._say("Waiting for the first batch")
                first.finish()
            seconds = run_nightly(self.processes, as_of, self.console)
            self._say(f"Comparing the warehouse with PostgreSQL up to and including {as_of}")
            report = replace(asyncio.run(check_warehouse(self.settings)), seconds=seconds)
        except (EmbeddedStackError, RecountError) as error:
            return WarehouseReport(as_of, failure=text_of(error))
        if report.as_of != as_of:
            return WarehouseReport(as_of, failure=f"the published run is of {report.as_of}, not of {as_of}")
        return report

    def api(self) -> Comparison:
        """Compares every answer of the API with the stores."""
        self._say("Comparing every answer of the API with the stores")
        try:
            return asyncio.run(check_api(self.settings, Api(self.processes.api_url), PATIENCE_SECONDS))
        except RecountError as error:
            return Comparison(API, failure=text_of(error))

    def _say(self, text: str) -> None:
        self.console.print(text, style="dim", soft_wrap=True)


def api_table(report: Mapping[str, Any]) -> Table:
    """How many figures of the API were compared, and how many of them differ."""
    table = figures_table("answers", "figures", "mismatches")
    table.add_row("REST API", f"{report[API]['compared']:,}", f"{report[API]['mismatches']:,}")
    return table
