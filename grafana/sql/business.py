"""Queries of revenue and orders, for the selected countries.

Sums over the selected range take whole hours from the hourly rollups, the rest at both ends from minutes or panes.
Windows overlap and are never added up.
"""

from dataclasses import dataclass
from typing import Final

from app.domain.money import PLACES

_FROM: Final = "$__timeFrom()::timestamptz"
_TO: Final = "$__timeTo()::timestamptz"
_FIRST_HOUR: Final = f"date_bin('1 hour', {_FROM} + interval '1 hour' - interval '1 microsecond', to_timestamp(0))"
_LAST_HOUR: Final = f"date_bin('1 hour', {_TO}, to_timestamp(0))"
#: Of sums, which stand under `unknown` where events named no country, and of rows, which are as they came.
CHOSEN: Final = "country IN (${country:sqlstring})"
CHOSEN_ROWS: Final = "name_or_unknown(country) IN (${country:sqlstring})"
#: Names to choose from.
COUNTRIES: Final = "SELECT DISTINCT country FROM revenue_daily ORDER BY 1"


@dataclass(frozen=True, slots=True)
class Rollup:
    """The same sums in two grains; a chart of a range below `fine_range` uses the fine one."""

    hourly: str
    fine: str
    start: str
    fine_range: str


BY_COUNTRY: Final = Rollup("revenue_hourly", "revenue_minutely", "minute", "3 days")
BY_CATEGORY: Final = Rollup("sales_hourly", "sales_panes", "pane_start", "3 hours")


def sold(rollup: Rollup, *columns: str) -> str:
    """Returns rollup rows of the selected range, without overlap; its ends are exact to the fine grain."""
    fine = f"SELECT {', '.join(columns)} FROM {rollup.fine} WHERE {rollup.start}"
    return f"""(
  SELECT {", ".join(columns)} FROM {rollup.hourly} WHERE hour >= {_FIRST_HOUR} AND hour < {_LAST_HOUR}
  UNION ALL
  {fine} >= {_FROM} AND {rollup.start} < least({_FIRST_HOUR}, {_TO})
  UNION ALL
  {fine} >= greatest({_FIRST_HOUR}, {_LAST_HOUR}) AND {rollup.start} < {_TO}
) AS sold WHERE {CHOSEN}"""


def in_steps(rollup: Rollup, name: str) -> str:
    """Returns sums per step of a chart and name; steps are the chart's, but not finer than the rollup."""
    short = f"({_TO} - {_FROM} < interval '{rollup.fine_range}')"
    step = f"greatest($__interval_ms, CASE WHEN {short} THEN 60000 ELSE 3600000 END) / 1000.0"
    columns = f"{name} AS name, total_amount, transaction_count"
    return f"""
SELECT date_bin(make_interval(secs => {step}), at, to_timestamp(0)) AS time, name,
  sum(total_amount) AS amount, sum(transaction_count) AS orders, {step} / 60 AS minutes
FROM (
  SELECT {rollup.start} AS at, {columns} FROM {rollup.fine}
  WHERE {short} AND $__timeFilter({rollup.start}) AND {CHOSEN}
  UNION ALL
  SELECT hour, {columns} FROM {rollup.hourly}
  WHERE NOT {short} AND $__timeFilter(hour) AND {CHOSEN}
) AS part GROUP BY 1, 2"""


#: Revenue, orders, and revenue by orders, of the range.
REVENUE: Final = f"SELECT sum(total_amount) AS revenue FROM {sold(BY_COUNTRY, 'country', 'total_amount')}"
ORDERS: Final = f"SELECT sum(transaction_count) AS orders FROM {sold(BY_COUNTRY, 'country', 'transaction_count')}"
AVERAGE_ORDER_VALUE: Final = f"""
SELECT round(sum(total_amount) / nullif(sum(transaction_count), 0), {PLACES}) AS average
FROM {sold(BY_COUNTRY, "country", "total_amount", "transaction_count")}"""
#: Revenue per minute of each country.
REVENUE_BY_COUNTRY_OVER_TIME: Final = f"""
SELECT time, name AS metric, amount / minutes AS value
FROM ({in_steps(BY_COUNTRY, "country")}) AS step ORDER BY time"""
#: Revenue per minute of the top ten categories of the range.
REVENUE_BY_CATEGORY_OVER_TIME: Final = f"""
WITH step AS ({in_steps(BY_CATEGORY, "category")})
SELECT time, name AS metric, amount / minutes AS value FROM step
WHERE name IN (SELECT name FROM step GROUP BY name ORDER BY sum(amount) DESC LIMIT 10) ORDER BY time"""
#: Average order value per step.
AVERAGE_ORDER_VALUE_OVER_TIME: Final = f"""
SELECT time, round(sum(amount) / sum(orders), {PLACES}) AS average
FROM ({in_steps(BY_COUNTRY, "country")}) AS step GROUP BY time ORDER BY time"""
#: Revenue, orders and average of each category in the range.
REVENUE_BY_CATEGORY: Final = f"""
SELECT category, sum(total_amount) AS revenue,
  sum(transaction_count) AS orders, round(sum(total_amount) / sum(transaction_count), {PLACES}) AS average
FROM {sold(BY_CATEGORY, "category", "country", "total_amount", "transaction_count")} GROUP BY 1 ORDER BY revenue DESC"""


def live_revenue(name: str) -> str:
    """Revenue over (now - 60 s, now] by category or country, from the rows."""
    return f"""
SELECT name_or_unknown({name}) AS {name}, sum(total_amount) AS revenue FROM transactions
WHERE timestamp > now() - interval '60 seconds' AND timestamp <= now() AND {CHOSEN_ROWS}
GROUP BY 1 ORDER BY revenue DESC LIMIT 20"""


def funnel() -> str:
    """Sessions of the panel's range that reached each step."""
    steps = (
        ("1 viewed", "product_views", ""),
        ("2 added to the cart", "cart_events", "AND action = 'add'"),
        ("3 went to checkout", "cart_events", "AND action = 'checkout'"),
        ("4 ordered", "transactions", "AND session_id IS NOT NULL"),
    )
    counts = "\nUNION ALL\n".join(
        f"SELECT '{name}' AS step, count(*) AS sessions FROM (SELECT DISTINCT session_id FROM {table}\n"
        f"  WHERE $__timeFilter(timestamp) AND {CHOSEN_ROWS} {more}) AS session"
        for name, table, more in steps
    )
    return f"{counts}\nORDER BY step"
