"""The business dashboard. Money comes from PostgreSQL, exact; only rates come from counters."""

from collections.abc import Sequence

from grafana_foundation_sdk.builders.dashboard import QueryVariable
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import Dashboard, VariableModel, VariableOption, VariableRefresh
from grafana_foundation_sdk.models.units import CountsPerSecond, Seconds, Short

from grafana import panels, promql
from grafana.panels import MONEY, Panel, bar_panel, chart, over_time, rows, series, stat_panel, table_panel
from grafana.sql import business as sql
from grafana.sql.stores import LAST_ORDER_AGE


def build() -> Dashboard:
    """Builds the dashboard."""
    made = panels.board(
        "business",
        "GlobalMart Business",
        "Revenue, orders and average order value, live and over any range; times are event times in UTC.",
    )
    made.with_variable(_country())
    return panels.layout(
        made,
        {
            "The selected range": _totals(),
            "The last 60 seconds": _live(),
            "Over time": _over_time(),
            "Categories and sessions": _details(),
        },
    )


def _country() -> Builder[VariableModel]:
    everything = VariableOption(text="All", value="$__all", selected=True)
    variable = QueryVariable("country").label("Country").query(sql.COUNTRIES)
    variable.description("Countries that have ordered; orders without one are `unknown`.")
    variable.datasource(panels.POSTGRES).multi(True).include_all(True).current(everything)
    return variable.refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)


def _totals() -> Sequence[Panel]:
    edges = "The range counts in whole minutes."
    return (
        stat_panel("Revenue", f"Revenue of the range, exact to the cent. {edges}", MONEY, rows(sql.REVENUE)),
        stat_panel("Orders", f"Orders of the range. {edges}", Short, rows(sql.ORDERS)),
        stat_panel(
            "Average order value", f"Revenue of the range by its orders. {edges}", MONEY, rows(sql.AVERAGE_ORDER_VALUE)
        ),
        stat_panel(
            "Newest order",
            "Time since the newest accepted order; increases when there are no orders.",
            Seconds,
            rows(LAST_ORDER_AGE),
        ),
    )


def _live() -> Sequence[Panel]:
    window = "over (now - 60 s, now], whatever range is selected; zero when there are no orders."
    return (
        bar_panel(
            "Revenue by category, last 60 s",
            f"Revenue of the top 20 categories {window}",
            MONEY,
            rows(sql.live_revenue("category")),
        ),
        bar_panel(
            "Revenue by country, last 60 s", f"Revenue by country {window}", MONEY, rows(sql.live_revenue("country"))
        ),
    )


def _over_time() -> Sequence[Panel]:
    steps = "The newest step is incomplete."
    return (
        chart(
            "Revenue per minute by country",
            f"Revenue per minute, from sums per minute, for ranges of 3 days and more per hour. {steps}",
            MONEY,
            series(sql.REVENUE_BY_COUNTRY_OVER_TIME),
        ),
        chart(
            "Revenue per minute by category",
            "The top ten categories of the range, from the panes of sales windows, for ranges of 3 hours "
            f"and more from sums per hour. {steps}",
            MONEY,
            series(sql.REVENUE_BY_CATEGORY_OVER_TIME),
        ),
        chart(
            "Average order value",
            "Revenue by orders of each step of the chart.",
            MONEY,
            series(sql.AVERAGE_ORDER_VALUE_OVER_TIME),
        ),
        chart(
            "Orders per second by country",
            "Rate of the workers' counters by time of storing, all countries: for monitoring, not for sums.",
            CountsPerSecond,
            over_time(promql.ORDERS_PER_SECOND, "{{country}}"),
        ),
    )


def _details() -> Sequence[Panel]:
    return (
        table_panel(
            "Categories",
            "Revenue, orders and average order value of the range by category, exact.",
            MONEY,
            rows(sql.REVENUE_BY_CATEGORY),
            units={"orders": Short},
            width=12,
        ),
        bar_panel(
            "Funnel of the last 15 minutes",
            "Sessions that viewed a product, added one to the cart, went to checkout and ordered within "
            "the last 15 minutes, whatever range is selected.",
            Short,
            rows(sql.funnel()),
            since="15m",
        ),
        chart(
            "Orders per second by category",
            "Rate of the ten categories with the most orders, by time of storing.",
            CountsPerSecond,
            over_time(promql.ORDERS_PER_SECOND_BY_CATEGORY, "{{category}}"),
            width=24,
        ),
    )
