"""Compares panes, rollups, windows and live figures with the accepted orders."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final, NamedTuple

from app.reconcile.stream.expected_store import ExpectedStore, SalesLine
from app.reconcile.stream.json_values import CENT, SECOND_US, show_timestamp, to_us
from app.reconcile.stream.merge_join import merge, nulls_first
from app.reconcile.stream.report import ReconcileReport
from app.reconcile.stream.snapshot import Snapshot


class Slots(NamedTuple):
    """A table of sums per slot: its name, the slot's column and kind, and whether it has categories."""

    table: str
    start: str
    kind: str
    by_category: bool


SLOTS: Final = (
    Slots("sales_panes", "pane_start", "pane", by_category=True),
    Slots("sales_hourly", "hour", "hour", by_category=True),
    Slots("sales_daily", "day", "day", by_category=True),
    Slots("sales_weekly", "week", "week", by_category=True),
    Slots("revenue_minutely", "minute", "minute", by_category=False),
    Slots("revenue_hourly", "hour", "hour", by_category=False),
    Slots("revenue_daily", "day", "day", by_category=False),
)
LIVE_SECONDS: Final = 60
LIVE_TABLES: Final[Mapping[str, str]] = {"revenue_by_category": "category", "revenue_by_country": "country"}
_COUNTRY_ORDER: Final = 'country COLLATE "C" NULLS FIRST'
_ORDER: Final = f'category COLLATE "C" NULLS FIRST, {_COUNTRY_ORDER}'


@dataclass(frozen=True, slots=True)
class LiveFigures:
    """The live tables summed over all workers at `now` (aware): cents by key, by table name."""

    now: datetime
    cents: Mapping[str, Mapping[str, int]]


async def compare_slots(
    expected_store: ExpectedStore, snapshot: Snapshot, report: ReconcileReport, from_us: int | None = None
) -> None:
    """Compares every pane, minute, hour, day and week of every partition that begins at or after `from_us`."""
    for table, start, kind, by_category in SLOTS:
        category = "category" if by_category else "NULL::TEXT AS category"
        order = _ORDER if by_category else _COUNTRY_ORDER
        found = snapshot.stream(
            f"SELECT {start}, source_partition, {category}, country, transaction_count, total_amount "
            f"FROM {table} {_since(start, from_us)} ORDER BY {start}, source_partition, {order}",
            *_given(from_us),
        )
        lines = _from(expected_store.slots(kind, by_category=by_category), from_us)
        async for expected, row in merge(lines, found, _line_key, _row_key):
            _compare(table, expected, row, _figures(expected), report)


async def compare_windows(
    expected_store: ExpectedStore,
    snapshot: Snapshot,
    report: ReconcileReport,
    window_seconds: int,
    from_us: int | None = None,
) -> None:
    """Compares the rows of `sales_metrics` from `from_us` on, with end and average (half up to the cent)."""
    found = snapshot.stream(
        "SELECT window_start, NULL::integer, category, country, transaction_count, total_amount, "
        "window_end, avg_transaction_value "
        f"FROM sales_metrics {_since('window_start', from_us)} ORDER BY window_start, {_ORDER}",
        *_given(from_us),
    )
    lines = _from(expected_store.windows(), from_us)
    async for expected, row in merge(lines, found, _line_key, _row_key):
        figures = _figures(expected)
        if expected is not None and figures is not None:
            average = (figures[1] / expected.orders).quantize(CENT, rounding=ROUND_HALF_UP)
            figures = (*figures, expected.start_us + window_seconds * SECOND_US, average)
        _compare("sales_metrics", expected, row, figures, report)


def compare_live(expected_store: ExpectedStore, live: LiveFigures, report: ReconcileReport) -> None:
    """Compares the live tables with the orders in (now - 60 s, now]; keys without orders may be absent."""
    until_us = to_us(live.now)
    for table, column in LIVE_TABLES.items():
        expected = expected_store.revenue(column, until_us - LIVE_SECONDS * SECOND_US, until_us)
        found = live.cents[table]
        figures = report.table(table)
        figures.expected, figures.found = len(expected), len(found)
        for key in expected.keys() | found.keys():
            if expected.get(key, 0) != found.get(key, 0):
                figures.mismatches += 1
                text = f"{found.get(key, 0)} cents, expected {expected.get(key, 0)}"
                report.disagree(table, f"{table} {key!r} at {live.now.isoformat()}: {text}")


def _since(start: str, from_us: int | None) -> str:
    return "" if from_us is None else f"WHERE {start} >= $1"


def _given(from_us: int | None) -> tuple[int, ...]:
    return () if from_us is None else (from_us,)


def _from(lines: Iterator[SalesLine], from_us: int | None) -> Iterator[SalesLine]:
    return (line for line in lines if from_us is None or line.start_us >= from_us)


def _figures(line: SalesLine | None) -> tuple[Any, ...] | None:
    return None if line is None else (line.orders, Decimal(line.cents).scaleb(-2))


def _line_key(line: SalesLine) -> Any:
    return nulls_first(*line[:4])


def _row_key(row: Any) -> Any:
    return nulls_first(*row[:4])


def _compare(
    table: str, expected: SalesLine | None, row: Any, figures: tuple[Any, ...] | None, report: ReconcileReport
) -> None:
    tally = report.table(table)
    tally.expected += expected is not None
    tally.found += row is not None
    found = None if row is None else tuple(row[4:])
    if found == figures:
        return
    tally.mismatches += 1
    start_us, partition, category, country = (expected or row)[:4]
    place = "" if partition is None else f" partition {partition}"
    name = f"{table} {show_timestamp(start_us)}{place} {category!r} {country!r}"
    report.disagree(table, f"{name}: {_show(found)}, expected {_show(figures)}")


def _show(figures: tuple[Any, ...] | None) -> str:
    return "no row" if figures is None else ", ".join(map(str, figures))
