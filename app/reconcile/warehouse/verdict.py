"""The comparison of the warehouse: sums of PostgreSQL's rows and of MongoDB's documents, computed independently."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, Final

from rich.table import Table

from app.reconcile.warehouse.stored_totals import CUSTOMERS, SEGMENT_NAMES, Totals
from app.terminal import figures_table

_REPORTED_DIFFERENCES: Final = 5


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
