"""The warehouse dashboard: age, success and published rows of the nightly batch."""

from collections.abc import Sequence

from grafana_foundation_sdk.models.dashboard import Dashboard
from grafana_foundation_sdk.models.units import BytesSI, DatetimeISO, NoUnit, Seconds, Short

from grafana import panels, promql
from grafana.panels import MONEY, Panel, chart, now, over_time, rows, stat_panel, table_panel
from grafana.sql import stores as sql


def build() -> Dashboard:
    """Builds the dashboard."""
    made = panels.board(
        "warehouse",
        "GlobalMart Warehouse",
        "The nightly batch: age and duration of its runs, rows of the marts, and its sources.",
        since="now-7d",
    )
    return panels.layout(made, {"Runs": _runs(), "Marts": _marts(), "Sources of the batch": _sources()})


def _runs() -> Sequence[Panel]:
    return (
        stat_panel(
            "Age",
            "Time since each job last published; there is an alert for the nightly one.",
            Seconds,
            now(promql.BATCH_AGE, "{{command}}"),
        ),
        stat_panel(
            "Last success",
            "Time at which each job last published.",
            DatetimeISO,
            now(promql.BATCH_LAST_SUCCESS, "{{command}}"),
        ),
        stat_panel(
            "Last run",
            "1 if a job's last run was published, 0 if it failed.",
            NoUnit,
            now(promql.BATCH_SUCCESS, "{{command}}"),
        ),
        stat_panel(
            "Duration of the last run",
            "From its start to its end, published or not.",
            Seconds,
            now(promql.BATCH_SECONDS, "{{command}}"),
        ),
        chart(
            "Age over time",
            "Falls to nearly zero with every published run.",
            Seconds,
            over_time(promql.BATCH_AGE, "{{command}}"),
        ),
        chart(
            "Duration over time",
            "Duration of each last run over time.",
            Seconds,
            over_time(promql.BATCH_SECONDS, "{{command}}"),
        ),
    )


def _marts() -> Sequence[Panel]:
    return (
        chart(
            "Rows of the marts",
            "Documents of each mart as last published.",
            Short,
            over_time(promql.MART_ROWS, "{{mart}}"),
            width=24,
        ),
    )


def _sources() -> Sequence[Panel]:
    return (
        stat_panel(
            "Newest order",
            "Time since the newest accepted order; the batch fails when it is days old.",
            Seconds,
            rows(sql.LAST_ORDER_AGE),
        ),
        stat_panel("Database", "Size of the PostgreSQL database.", BytesSI, rows(sql.DATABASE_BYTES)),
        table_panel(
            "Revenue of the last 14 days",
            "Exact revenue and orders by UTC day in PostgreSQL; the daily trend must be equal.",
            MONEY,
            rows(sql.REVENUE_OF_DAYS),
            units={"day": DatetimeISO, "orders": Short},
            width=12,
        ),
    )
