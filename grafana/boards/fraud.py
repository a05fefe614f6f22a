"""Anomalies: how many, of which type, by whom, and how far above their thresholds."""

from collections.abc import Sequence

from grafana_foundation_sdk.models.dashboard import Dashboard
from grafana_foundation_sdk.models.units import CountsPerSecond, DatetimeISO, Dollars, NoUnit, PercentUnit, Short

from grafana import panels, promql
from grafana.panels import Panel, bar_panel, chart, over_time, rows, series, stat_panel, table_panel
from grafana.sql import fraud as sql


def build() -> Dashboard:
    """The dashboard."""
    made = panels.board(
        "fraud",
        "GlobalMart Fraud",
        "Orders that broke a rule; one order can break several. Times are those of the orders, in UTC.",
    )
    return panels.layout(
        made, {"The range shown": _totals(), "Over time": _over_time(), "Who and how": _who(), "One by one": _latest()}
    )


def _totals() -> Sequence[Panel]:
    return (
        stat_panel(
            "Flagged orders", "Orders of the range with at least one anomaly.", Short, rows(sql.flagged_orders())
        ),
        stat_panel(
            "Flagged amount",
            "Amounts of these orders, each once, exact to the cent.",
            Dollars,
            rows(sql.flagged_amount()),
        ),
        bar_panel(
            "Anomalies by country",
            "Anomalies of the range by the country of their order.",
            Short,
            rows(sql.anomalies_by_country()),
        ),
    )


def _over_time() -> Sequence[Panel]:
    return (
        chart(
            "Anomalies by type",
            "Anomalies per step of the chart, by the time of their order.",
            Short,
            series(sql.anomalies_over_time()),
        ),
        chart(
            "Anomalies per second",
            "Rate at which the workers raise them, by type.",
            CountsPerSecond,
            over_time(promql.anomalies_per_second(), "{{type}}"),
        ),
        chart(
            "Anomalies per order",
            "Anomalies of each type per stored order; an alert watches it.",
            PercentUnit,
            over_time(promql.anomaly_share(), "{{type}}"),
            width=24,
        ),
    )


def _who() -> Sequence[Panel]:
    return (
        table_panel(
            "Scores by type",
            "A score is the judged value by its threshold, so 1 is the threshold itself.",
            NoUnit,
            rows(sql.anomalies_by_type()),
            units={"anomalies": Short},
            width=10,
        ),
        table_panel(
            "Users with most anomalies",
            "The twenty users with most anomalies in the range, by stat_panel and highest score.",
            NoUnit,
            rows(sql.suspicious_users()),
            units={"anomalies": Short, "highest_amount": Dollars, "last_at": DatetimeISO},
            width=14,
        ),
    )


def _latest() -> Sequence[Panel]:
    return (
        table_panel(
            "Latest anomalies",
            "The fifty newest anomalies of the range with the threshold each was judged by.",
            NoUnit,
            rows(sql.latest_anomalies()),
            units={"event_time": DatetimeISO, "amount": Dollars},
        ),
    )
