"""The fraud dashboard: anomalies by type, user and country, and their scores."""

from collections.abc import Sequence

from grafana_foundation_sdk.models.dashboard import Dashboard
from grafana_foundation_sdk.models.units import CountsPerSecond, DatetimeISO, NoUnit, PercentUnit, Short

from grafana import panels, promql
from grafana.panels import MONEY, Panel, bar_panel, chart, over_time, rows, series, stat_panel, table_panel
from grafana.sql import fraud as sql


def build() -> Dashboard:
    """Builds the dashboard."""
    made = panels.board(
        "fraud",
        "GlobalMart Fraud",
        "Orders with anomalies; one order can have several. Times are those of the orders, in UTC.",
    )
    return panels.layout(
        made,
        {
            "The selected range": _totals(),
            "Over time": _over_time(),
            "Users and scores": _users(),
            "Desk": _desk(),
            "Latest": _latest(),
        },
    )


def _totals() -> Sequence[Panel]:
    return (
        stat_panel("Flagged orders", "Orders of the range with at least one anomaly.", Short, rows(sql.FLAGGED_ORDERS)),
        stat_panel(
            "Flagged amount", "Amounts of these orders, each once, exact to the cent.", MONEY, rows(sql.FLAGGED_AMOUNT)
        ),
        bar_panel(
            "Anomalies by country",
            "Anomalies of the range by the country of their order.",
            Short,
            rows(sql.ANOMALIES_BY_COUNTRY),
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
            "Rate at which the workers detect them, by type.",
            CountsPerSecond,
            over_time(promql.ANOMALIES_PER_SECOND, "{{type}}"),
        ),
        chart(
            "Anomalies per order",
            "Anomalies of each type per stored order; there is an alert for it.",
            PercentUnit,
            over_time(promql.ANOMALY_SHARE, "{{type}}"),
            width=24,
        ),
    )


def _users() -> Sequence[Panel]:
    return (
        table_panel(
            "Scores by type",
            "A score is the measured value divided by its threshold, so 1 is the threshold itself.",
            NoUnit,
            rows(sql.ANOMALIES_BY_TYPE),
            units={"anomalies": Short},
            width=10,
        ),
        table_panel(
            "Users with the most anomalies",
            "The twenty users with the most anomalies in the range, by number and highest score.",
            NoUnit,
            rows(sql.SUSPICIOUS_USERS),
            units={"anomalies": Short, "highest_amount": MONEY, "last_at": DatetimeISO},
            width=14,
        ),
    )


def _desk() -> Sequence[Panel]:
    return (
        table_panel(
            "Verdicts by action",
            "Orders of the range with an active anomaly, by what is to be done with them.",
            NoUnit,
            rows(sql.VERDICTS_BY_ACTION),
            units={"orders": Short, "amount": MONEY},
            width=12,
        ),
        table_panel(
            "Open cases",
            "Cases that wait for a decision now, whatever the range.",
            NoUnit,
            rows(sql.OPEN_CASES),
            units={"cases": Short, "amount": MONEY, "oldest": DatetimeISO},
            width=12,
        ),
        table_panel(
            "Raised by rule",
            "Anomalies of the range by rule; shadow rules change nothing.",
            NoUnit,
            rows(sql.RAISED_BY_RULE),
            units={"raised": Short, "amount": MONEY},
            width=12,
        ),
        table_panel(
            "Precision by rule",
            "Of the labelled orders that a rule raised, the share that is fraud.",
            NoUnit,
            rows(sql.PRECISION_BY_RULE),
            units={"precision": PercentUnit},
            width=12,
        ),
    )


def _latest() -> Sequence[Panel]:
    return (
        table_panel(
            "Latest anomalies",
            "The fifty newest anomalies of the range, each with its threshold.",
            NoUnit,
            rows(sql.LATEST_ANOMALIES),
            units={"event_time": DatetimeISO, "amount": MONEY},
        ),
    )
