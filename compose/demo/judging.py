"""The demo's last comparisons: the warehouse with PostgreSQL, then the API and the dashboard with both stores."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final

from pymongo.errors import PyMongoError
from rich.console import Console
from rich.table import Table

from app.errors import EmbeddedStackError
from app.reconcile.comparison import FAILURES, Account, Comparison, settled
from app.reconcile.serving.api_answers import answered
from app.reconcile.serving.postgres_answers import StoredAnswers, stored_answers
from app.reconcile.serving.warehouse_answers import published_answers
from app.reconcile.warehouse.published_documents import published
from app.reconcile.warehouse.published_totals import published_totals
from app.reconcile.warehouse.stored_totals import stored_totals
from app.reconcile.warehouse.verdict import WarehouseReport
from app.settings import Settings
from app.terminal import figures_table
from compose.demo.nightly import NightlyRun, run_nightly
from compose.demo.page_readers import page_reader, read_pages
from compose.demo.page_texts import pages
from compose.demo.processes import Processes

API: Final = "api"
DASHBOARD: Final = "dashboard"
#: Until the live minute has passed, and the API has recomputed past days and read the published run.
_SETTLE_SECONDS: Final = 150.0


@dataclass(frozen=True, slots=True)
class Judge:
    """Compares after the traffic has ended, so that no figure changes; `dsn` is PostgreSQL's."""

    processes: Processes
    settings: Settings
    dsn: str
    console: Console

    def warehouse(self, first: NightlyRun | None) -> WarehouseReport:
        """Runs the batch up to and including today, after the first run, and compares its sums with PostgreSQL's."""
        as_of = datetime.now(UTC).date()
        try:
            if first is not None:
                self._report("Waiting for the first batch")
                first.finish()
            seconds = run_nightly(self.processes, as_of, self.console)
            self._report(f"Comparing the warehouse with PostgreSQL up to and including {as_of}")
            expected = asyncio.run(stored_totals(self.dsn, as_of))
            found = published_totals(self.settings.mongo, as_of)
            return WarehouseReport(as_of, seconds, expected, found)
        except (EmbeddedStackError, PyMongoError) as error:
            return WarehouseReport(as_of, failure=str(error))

    def pages(self, as_of: date) -> tuple[Comparison, Comparison]:
        """Compares the API's responses and the dashboard's pages with the stores."""
        try:
            stored = asyncio.run(stored_answers(self.dsn, as_of))
            with published(self.settings.mongo, as_of) as rows:
                figures = {**stored.figures, **published_answers(rows, stored.customer)}
        except (EmbeddedStackError, PyMongoError) as error:
            return Comparison(API, failure=str(error)), Comparison(DASHBOARD, failure=str(error))
        return self._api(figures, stored), self._dashboard(figures, stored)

    def _api(self, figures: Account, stored: StoredAnswers) -> Comparison:
        self._report("Comparing every response of the API with the stores")
        request = (self.processes.api_url, stored.customer["user_id"], stored.transaction_id)
        return settled(API, figures, lambda: answered(*request), _SETTLE_SECONDS)

    def _dashboard(self, figures: Account, stored: StoredAnswers) -> Comparison:
        wanted = pages(figures, stored.customer["user_id"], stored.newest_anomalies)

        def compared() -> Comparison:
            with page_reader(self.processes.dashboard_url, self.processes.environ) as reader:
                self._report(f"Comparing the pages of the dashboard with the stores, {reader.name}")
                expected: dict[str, Any] = {}
                for page in wanted:
                    expected |= page.expected(figures, with_file=reader.reads_files)
                return settled(DASHBOARD, expected, lambda: read_pages(reader, wanted), _SETTLE_SECONDS)

        try:
            return compared()
        except FAILURES as error:  # no browser could be started
            return Comparison(DASHBOARD, failure=f"{type(error).__name__}: {error}")

    def _report(self, text: str) -> None:
        self.console.print(text, style="dim", soft_wrap=True)


def pages_table(report: Mapping[str, Any]) -> Table:
    """How many figures of API and dashboard were compared, and how many of them differ."""
    table = figures_table("pages", "figures", "mismatches")
    for title, section in (("REST API", report[API]), ("dashboard", report[DASHBOARD])):
        table.add_row(title, f"{section['compared']:,}", f"{section['mismatches']:,}")
    return table
