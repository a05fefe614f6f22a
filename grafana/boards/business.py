"""What the shop earns. Money comes from PostgreSQL, exact; only rates come from counters."""

from collections.abc import Sequence

from grafana_foundation_sdk.builders.dashboard import QueryVariable
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import (
    Dashboard,
    VariableModel,
    VariableOption,
    VariableRefresh,
)
from grafana_foundation_sdk.models.units import CountsPerSecond, Dollars, Seconds, Short

from grafana import house, promql
from grafana.house import Panel, bars, chart, listing, number, over_time, rows, series
from grafana.sql import business as sql
from grafana.sql.stores import last_order_age


def build() -> Dashboard:
    """The dashboard."""
    made = house.board(
        "business", "GlobalMart Business",
        "Revenue, orders and average order value, live and over any range; times are event times in UTC.",
    )  # fmt: skip
    made.with_variable(_country())
    return house.placed(
        made,
        {
            "The range shown": _totals(),
            "The last 60 seconds": _live(),
            "Over time": _over_time(),
            "Categories and sessions": _details(),
        },
    )


def _country() -> Builder[VariableModel]:
    everything = VariableOption(text="All", value="$__all", selected=True)
    variable = QueryVariable("country").label("Country").query(sql.countries())
    variable.description("Countries that have ordered; orders without one are `unknown`.")
    variable.datasource(house.POSTGRES).multi(True).include_all(True).current(everything)
    return variable.refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)


def _totals() -> Sequence[Panel]:
    edges = "The range counts in whole minutes."
    return (
        number("Revenue", f"Revenue of the range, exact to the cent. {edges}", Dollars,
               rows(sql.revenue())),
        number("Orders", f"Orders of the range. {edges}", Short, rows(sql.orders())),
        number("Average order value", f"Revenue of the range by its orders. {edges}", Dollars,
               rows(sql.average_order_value())),
        number("Newest order", "Time since the newest accepted order; grows when the shop is quiet.",
               Seconds, rows(last_order_age())),
    )  # fmt: skip


def _live() -> Sequence[Panel]:
    window = (
        "over (now - 60 s, now], whatever range is shown; falls to nothing when the shop is quiet."
    )
    return (
        bars("Revenue by category, last 60 s", f"Revenue of the 20 best categories {window}", Dollars,
             rows(sql.live_revenue("category"))),
        bars("Revenue by country, last 60 s", f"Revenue by country {window}", Dollars,
             rows(sql.live_revenue("country"))),
    )  # fmt: skip


def _over_time() -> Sequence[Panel]:
    steps = "The newest step is still growing."
    return (
        chart("Revenue per minute by country",
              f"Revenue per minute, from minutes, for ranges of 3 days and more from hours. {steps}",
              Dollars, series(sql.revenue_by_country_over_time())),
        chart("Revenue per minute by category",
              "The ten categories that sold most in the range, from panes of 30 s, for ranges of 3 hours "
              f"and more from hours. {steps}",
              Dollars, series(sql.revenue_by_category_over_time())),
        chart("Average order value", "Revenue by orders of each step of the chart.", Dollars,
              series(sql.average_order_value_over_time())),
        chart("Orders per second by country",
              "Rate of the workers' counters by time of storing, all countries: for watching, not for sums.",
              CountsPerSecond, over_time(promql.orders_per_second(), "{{country}}")),
    )  # fmt: skip


def _details() -> Sequence[Panel]:
    return (
        listing("Categories", "Revenue, orders and average order value of the range by category, exact.",
                Dollars, rows(sql.revenue_by_category()), units={"orders": Short}, width=12),
        bars("Funnel of the last 15 minutes",
             "Sessions that viewed a product, added one to the cart, went to checkout and ordered within "
             "the last 15 minutes, whatever range is shown.", Short,
             rows(sql.funnel()), since="15m"),
        chart("Orders per second by category",
              "Rate of the ten categories with most orders now, by time of storing.",
              CountsPerSecond, over_time(promql.orders_per_second_by_category(), "{{category}}"),
              width=24),
    )  # fmt: skip
