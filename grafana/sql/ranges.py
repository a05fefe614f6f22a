"""Sums over the selected range: whole hours from the hourly rollups, the rest at both ends from minutes or panes.

Windows overlap and are never added up.
"""

from dataclasses import dataclass
from typing import Final

_FROM: Final = "$__timeFrom()::timestamptz"
_TO: Final = "$__timeTo()::timestamptz"
_FIRST_HOUR: Final = f"date_bin('1 hour', {_FROM} + interval '1 hour' - interval '1 microsecond', to_timestamp(0))"
_LAST_HOUR: Final = f"date_bin('1 hour', {_TO}, to_timestamp(0))"
#: Of sums, which stand under `unknown` where events named no country, and of rows, which are as they came.
CHOSEN: Final = "country IN (${country:sqlstring})"
CHOSEN_ROWS: Final = "name_or_unknown(country) IN (${country:sqlstring})"


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
