"""Compares the warehouse in MongoDB with PostgreSQL's rows, each added up by code of its own."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import asyncpg
from rich.table import Table

from app.reconcile.warehouse.published_documents import open_published, published_totals
from app.reconcile.warehouse.stored_totals import CUSTOMERS, SEGMENT_NAMES, Totals, open_auditor, stored_totals
from app.settings import Settings
from app.terminal import figures_table

_REPORTED_DIFFERENCES: Final = 5
_STORED_SINCE: Final = "SELECT count(*) FROM transactions WHERE timestamp < $1 AND created_at >= $2"


@dataclass(frozen=True, slots=True)
class WarehouseReport:
    """Figures up to the end of `as_of`, UTC; `seconds` the batch took; `failure` if it published nothing.

    `stored_since` counts orders of those days that were stored after the run had begun.
    """

    as_of: date
    seconds: float = 0.0
    expected: Totals = field(default_factory=dict)
    found: Totals = field(default_factory=dict)
    failure: str | None = None
    stored_since: int = 0

    @property
    def differences(self) -> list[str]:
        """Every figure that differs between the two stores; or the failure alone."""
        return list(self._differences()) if self.failure is None else [self.failure]

    @property
    def details(self) -> list[str]:
        """The first differences, as lines of the report."""
        return [f"warehouse: {text}" for text in self.differences[:_REPORTED_DIFFERENCES]]

    def as_data(self) -> dict[str, Any]:
        """Returns its section of the report; figures are exact, as text."""
        segments = self.found.get(CUSTOMERS, {})
        return {
            "as_of": self.as_of.isoformat(),
            "batch_seconds": round(self.seconds, 1),
            "checks": {check: self._check(check) for check in self.expected},
            "customers_by_segment": {name: int(count) for name, count in sorted(segments.items())},
            "unused_segments": sorted(SEGMENT_NAMES - segments.keys()),
            "mismatches": len(self.differences),
        }

    def _check(self, check: str) -> dict[str, Any]:
        stored, shown = self.expected[check], self.found.get(check, {})
        return {
            "figures": len(stored.keys() | shown.keys()),
            "expected": str(sum(stored.values(), Decimal(0))),
            "found": str(sum(shown.values(), Decimal(0))),
        }

    def _differences(self) -> Iterator[str]:
        for check, stored in self.expected.items():
            shown = self.found.get(check, {})
            for name in sorted(stored.keys() | shown.keys()):
                if stored.get(name) != shown.get(name):
                    yield (
                        f"{check}, {name}: PostgreSQL {stored.get(name, 'nothing')}, "
                        f"MongoDB {shown.get(name, 'nothing')}"
                    )


def warehouse_table(data: dict[str, Any]) -> Table:
    """Table of the section's checks: number of figures and their sums."""
    title = f"warehouse as of {data['as_of']}"
    table = figures_table(title, "figures", "PostgreSQL", "MongoDB")
    for check, sums in data["checks"].items():
        pair = (f"{Decimal(sums[side]):,}" for side in ("expected", "found"))
        table.add_row(check, f"{sums['figures']:,}", *pair)
    return table


def segments_line(data: dict[str, Any]) -> str:
    """Line with the number of customers in each segment, and the empty segments."""
    counts = data["customers_by_segment"]
    used = ", ".join(f"{name} {count:,}" for name, count in counts.items()) or "none"
    unused = ", ".join(data["unused_segments"])
    return f"segments: {used}" + (f"; no customers in {unused}" if unused else "")


async def check_warehouse(settings: Settings) -> WarehouseReport:
    """Compares every figure of the published run with the rows up to and including its day.

    The run does not contain orders stored for those days after it began; the report counts them. Raises
    RecountError when a store cannot be read or no run is published.
    """
    with open_published(settings.mongo) as published:
        found = published_totals(published)
        async with open_auditor(settings.postgres) as connection:
            expected = await stored_totals(connection, published.as_of)
            late = await _stored_since(connection, published.as_of, published.run["started"])
        return WarehouseReport(published.as_of, expected=expected, found=found, stored_since=late)


async def _stored_since(connection: asyncpg.Connection, as_of: date, started_at: datetime) -> int:
    end = datetime.combine(as_of + timedelta(days=1), datetime.min.time(), UTC)
    return int(await connection.fetchval(_STORED_SINCE, end, started_at))
