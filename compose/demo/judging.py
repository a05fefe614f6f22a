"""The demo's last comparisons: the warehouse with PostgreSQL, then the API and the dashboard with both stores."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final

from pymongo.errors import PyMongoError
from rich.console import Console
from rich.table import Table

from app.errors import EmbeddedStackError, text_of
from app.reconcile.comparison import FAILURES, Account, Comparison, settled
from app.reconcile.serving.api_answers import answered
from app.reconcile.serving.postgres_answers import StoredAnswers, stored_answers
from app.reconcile.serving.warehouse_answers import published_answers
from app.reconcile.warehouse.published_documents import published, read_on
from app.reconcile.warehouse.published_totals import published_totals
from app.reconcile.warehouse.stored_totals import stored_totals
from app.reconcile.warehouse.verdict import WarehouseReport
from app.settings import Settings
from app.terminal import figures_table
from compose.demo.nightly import NightlyRun, run_nightly
from compose.demo.page_readers import page_reader, read_pages
from compose.demo.page_texts import pages
from compose.demo.processes import Processes
from compose.patience import PATIENCE_SECONDS

API: Final = "api"
DASHBOARD: Final = "dashboard"


@dataclass(frozen=True, slots=True)
class Judge:
    """Compares once the traffic is over, so every figure stands still; `dsn` leads to PostgreSQL."""

    processes: Processes
    settings: Settings
    dsn: str
    console: Console

    def warehouse(self, first: NightlyRun | None) -> WarehouseReport:
        """Bring the warehouse up to and with today, behind the first run, and add it up beside PostgreSQL."""
        as_of = datetime.now(UTC).date()
        try:
            if first is not None:
                self._say("Waiting for the first batch")
                first.finish()
            seconds = run_nightly(self.processes, as_of, self.console)
            self._say(f"Comparing the warehouse with PostgreSQL up to and with {as_of}")
            expected = asyncio.run(stored_totals(self.dsn, as_of))
            found = published_totals(self.settings.mongo, as_of)
            return WarehouseReport(as_of, seconds, expected, found)
        except (EmbeddedStackError, PyMongoError) as error:
            return WarehouseReport(as_of, failure=text_of(error))

    def pages(self, as_of: date) -> tuple[Comparison, Comparison]:
        """What the API answers and what the dashboard shows, beside the stores."""
        try:
            read = read_on(self.settings.mongo)
            stored = asyncio.run(stored_answers(self.dsn, as_of, read))
            with published(self.settings.mongo, as_of) as rows:
                figures = {**stored.figures, **published_answers(rows, stored.customer)}
        except (EmbeddedStackError, PyMongoError) as error:
            return Comparison(API, failure=text_of(error)), Comparison(DASHBOARD, failure=text_of(error))
        return self._api(figures, stored), self._dashboard(figures, stored)

    def _api(self, figures: Account, stored: StoredAnswers) -> Comparison:
        self._say("Comparing every answer of the API with the stores")
        asked = (self.processes.api_url, stored.customer["user_id"], stored.transaction_id)
        return settled(API, figures, lambda: answered(*asked), PATIENCE_SECONDS)

    def _dashboard(self, figures: Account, stored: StoredAnswers) -> Comparison:
        wanted = pages(figures, stored.customer["user_id"], stored.newest_anomalies)

        def compared() -> Comparison:
            with page_reader(self.processes.dashboard_url, self.processes.environ) as reader:
                self._say(f"Comparing the pages of the dashboard with the stores, {reader.name}")
                expected: dict[str, Any] = {}
                for page in wanted:
                    expected |= page.expected(figures, with_file=reader.reads_files)
                return settled(DASHBOARD, expected, lambda: read_pages(reader, wanted), PATIENCE_SECONDS)

        try:
            return compared()
        except FAILURES as error:  # no browser could be started
            return Comparison(DASHBOARD, failure=f"{type(error).__name__}: {error}")

    def _say(self, text: str) -> None:
        self.console.print(text, style="dim", soft_wrap=True)


def pages_table(report: Mapping[str, Any]) -> Table:
    """How many figures of API and dashboard were compared, and how many of them differ."""
    table = figures_table("pages", "figures", "mismatches")
    for title, section in (("REST API", report[API]), ("dashboard", report[DASHBOARD])):
        table.add_row(title, f"{section['compared']:,}", f"{section['mismatches']:,}")
    return table
