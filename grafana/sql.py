"""Named SQL queries, asked as the reader: everything that is money, and everything that must be exact.

`$__timeFilter`, `$__timeFrom`, `$__timeTo` and `$__interval_ms` are Grafana's, `country` is a board's variable.
Overlapping windows are never added up: sums over a range come from hourly rollups for its whole hours, and from
minutes or panes for what is left at its two ends.
"""

from dataclasses import dataclass
from typing import Final

_FROM: Final = "$__timeFrom()::timestamptz"
_TO: Final = "$__timeTo()::timestamptz"
_FIRST_HOUR: Final = (
    f"date_bin('1 hour', {_FROM} + interval '1 hour' - interval '1 microsecond', to_timestamp(0))"
)
_LAST_HOUR: Final = f"date_bin('1 hour', {_TO}, to_timestamp(0))"
_CHOSEN: Final = "coalesce(country, 'unknown') IN (${country:sqlstring})"


@dataclass(frozen=True, slots=True)
class _Rollup:
    """The same sums in two grains; a chart of a range below `fine_range` uses the fine one."""

    hourly: str
    fine: str
    start: str
    fine_range: str


_BY_COUNTRY: Final = _Rollup("revenue_hourly", "revenue_minutely", "minute", "3 days")
_BY_CATEGORY: Final = _Rollup("sales_hourly", "sales_panes", "pane_start", "3 hours")


def _sold(rollup: _Rollup, *columns: str) -> str:
    """Rollup rows of the range shown that do not overlap; its ends are exact to the fine grain."""
    fine = f"SELECT {', '.join(columns)} FROM {rollup.fine} WHERE {rollup.start}"
    return f"""(
  SELECT {", ".join(columns)} FROM {rollup.hourly} WHERE hour >= {_FIRST_HOUR} AND hour < {_LAST_HOUR}
  UNION ALL
  {fine} >= {_FROM} AND {rollup.start} < least({_FIRST_HOUR}, {_TO})
  UNION ALL
  {fine} >= greatest({_FIRST_HOUR}, {_LAST_HOUR}) AND {rollup.start} < {_TO}
) AS sold WHERE {_CHOSEN}"""


def _in_steps(rollup: _Rollup, name: str) -> str:
    """Sums per step of a chart and name; steps are the chart's, but no finer than the rollup chosen."""
    short = f"({_TO} - {_FROM} < interval '{rollup.fine_range}')"
    step = f"greatest($__interval_ms, CASE WHEN {short} THEN 60000 ELSE 3600000 END) / 1000.0"
    columns = f"coalesce({name}, 'unknown') AS name, total_amount, transaction_count"
    return f"""
SELECT date_bin(make_interval(secs => {step}), at, to_timestamp(0)) AS time, name,
  sum(total_amount) AS amount, sum(transaction_count) AS orders, {step} / 60 AS minutes
FROM (
  SELECT {rollup.start} AS at, {columns} FROM {rollup.fine}
  WHERE {short} AND $__timeFilter({rollup.start}) AND {_CHOSEN}
  UNION ALL
  SELECT hour, {columns} FROM {rollup.hourly}
  WHERE NOT {short} AND $__timeFilter(hour) AND {_CHOSEN}
) AS part GROUP BY 1, 2"""


# --- business ---


def countries() -> str:
    """Names to choose from."""
    return "SELECT DISTINCT coalesce(country, 'unknown') FROM revenue_daily ORDER BY 1"


def revenue() -> str:
    """Revenue of the range."""
    columns = ("country", "total_amount")
    return f"SELECT sum(total_amount) AS revenue FROM {_sold(_BY_COUNTRY, *columns)}"


def orders() -> str:
    """Orders of the range."""
    columns = ("country", "transaction_count")
    return f"SELECT sum(transaction_count) AS orders FROM {_sold(_BY_COUNTRY, *columns)}"


def average_order_value() -> str:
    """Revenue of the range by its orders."""
    columns = ("country", "total_amount", "transaction_count")
    average = "round(sum(total_amount) / nullif(sum(transaction_count), 0), 2)"
    return f"SELECT {average} AS average FROM {_sold(_BY_COUNTRY, *columns)}"


def last_order_age() -> str:
    """Seconds since the newest accepted order."""
    return (
        "SELECT extract(epoch FROM now() - max(watermark)) AS age "
        "FROM stream_progress WHERE topic = 'transactions'"
    )


def live_revenue(name: str) -> str:
    """Revenue over (now - 60 s, now] by category or country, from the rows."""
    return f"""
SELECT coalesce({name}, 'unknown') AS {name}, sum(total_amount) AS revenue FROM transactions
WHERE timestamp > now() - interval '60 seconds' AND timestamp <= now() AND {_CHOSEN}
GROUP BY 1 ORDER BY revenue DESC LIMIT 20"""


def revenue_by_country_over_time() -> str:
    """Revenue per minute of each country."""
    return f"""
SELECT time, name AS metric, amount / minutes AS value
FROM ({_in_steps(_BY_COUNTRY, "country")}) AS step ORDER BY time"""


def revenue_by_category_over_time() -> str:
    """Revenue per minute of the ten categories that sold most in the range."""
    return f"""
WITH step AS ({_in_steps(_BY_CATEGORY, "category")})
SELECT time, name AS metric, amount / minutes AS value FROM step
WHERE name IN (SELECT name FROM step GROUP BY name ORDER BY sum(amount) DESC LIMIT 10) ORDER BY time"""


def average_order_value_over_time() -> str:
    """Average order value per step."""
    return f"""
SELECT time, round(sum(amount) / sum(orders), 2) AS average
FROM ({_in_steps(_BY_COUNTRY, "country")}) AS step GROUP BY time ORDER BY time"""


def revenue_by_category() -> str:
    """Revenue, orders and average of each category in the range."""
    columns = ("category", "country", "total_amount", "transaction_count")
    return f"""
SELECT coalesce(category, 'unknown') AS category, sum(total_amount) AS revenue,
  sum(transaction_count) AS orders, round(sum(total_amount) / sum(transaction_count), 2) AS average
FROM {_sold(_BY_CATEGORY, *columns)} GROUP BY 1 ORDER BY revenue DESC"""


def funnel() -> str:
    """Sessions of the panel's range that got as far as each step."""
    steps = (
        ("1 viewed", "product_views", ""),
        ("2 added to the cart", "cart_events", "AND action = 'add'"),
        ("3 went to checkout", "cart_events", "AND action = 'checkout'"),
        ("4 ordered", "transactions", "AND session_id IS NOT NULL"),
    )
    counts = "\nUNION ALL\n".join(
        f"SELECT '{name}' AS step, count(*) AS sessions FROM (SELECT DISTINCT session_id FROM {table}\n"
        f"  WHERE $__timeFilter(timestamp) AND {_CHOSEN} {more}) AS session"
        for name, table, more in steps
    )
    return f"{counts}\nORDER BY step"


# --- fraud ---


def anomalies_over_time() -> str:
    """Anomalies per step by type, by the time of their order."""
    step = "make_interval(secs => greatest($__interval_ms, 60000) / 1000.0)"
    return f"""
SELECT date_bin({step}, event_time, to_timestamp(0)) AS time, anomaly_type AS metric, count(*) AS value
FROM transaction_anomalies WHERE $__timeFilter(event_time) GROUP BY 1, 2 ORDER BY time"""


def anomalies_by_type() -> str:
    """Anomalies of the range by type, with the scores they got."""
    return """
SELECT anomaly_type AS type, count(*) AS anomalies,
  percentile_disc(0.5) WITHIN GROUP (ORDER BY anomaly_score) AS median_score,
  percentile_disc(0.95) WITHIN GROUP (ORDER BY anomaly_score) AS p95_score,
  max(anomaly_score) AS highest_score
FROM transaction_anomalies WHERE $__timeFilter(event_time) GROUP BY 1 ORDER BY anomalies DESC"""


def flagged_orders() -> str:
    """Orders of the range with at least one anomaly."""
    return """
SELECT count(DISTINCT transaction_id) AS orders
FROM transaction_anomalies WHERE $__timeFilter(event_time)"""


def flagged_amount() -> str:
    """Their amounts, each order once."""
    return """
SELECT sum(amount) AS amount FROM (
  SELECT DISTINCT transaction_id, amount FROM transaction_anomalies WHERE $__timeFilter(event_time)
) AS flagged"""


def suspicious_users() -> str:
    """The twenty users with most anomalies in the range."""
    return """
SELECT user_id, count(*) AS anomalies, string_agg(DISTINCT anomaly_type, ', ') AS types,
  max(anomaly_score) AS highest_score, max(amount) AS highest_amount, max(event_time) AS last_at
FROM transaction_anomalies WHERE $__timeFilter(event_time)
GROUP BY user_id ORDER BY anomalies DESC, highest_score DESC LIMIT 20"""


def anomalies_by_country() -> str:
    """Anomalies of the range by the country of their order."""
    return """
SELECT coalesce(country, 'unknown') AS country, count(*) AS anomalies
FROM transaction_anomalies JOIN transactions USING (transaction_id)
WHERE $__timeFilter(event_time) GROUP BY 1 ORDER BY anomalies DESC LIMIT 20"""


def latest_anomalies() -> str:
    """The fifty newest anomalies of the range."""
    return """
SELECT event_time, anomaly_type, user_id, transaction_id, amount, anomaly_score, threshold, description
FROM transaction_anomalies WHERE $__timeFilter(event_time) ORDER BY event_time DESC LIMIT 50"""


# --- pipeline and warehouse ---


def ledger() -> str:
    """What became of every record ever consumed: consumed = stored + duplicates + dead letters."""
    return """
SELECT topic, sum(consumed) AS consumed, sum(stored) AS stored, sum(duplicates) AS duplicates,
  sum(conflicting) AS conflicting, sum(dead_lettered) AS dead_letters, sum(late) AS late, sum(lost) AS lost
FROM stream_progress GROUP BY topic ORDER BY topic"""


def latest_dead_letters() -> str:
    """The fifty newest refused records."""
    return """
SELECT created_at, source_topic, source_partition, source_offset, reason, detail
FROM dead_letters ORDER BY id DESC LIMIT 50"""


def table_sizes() -> str:
    """Bytes of the fifteen largest tables with their indexes."""
    return """
SELECT relname AS table, pg_total_relation_size(oid) AS bytes FROM pg_class
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY bytes DESC LIMIT 15"""


def database_bytes() -> str:
    """Bytes of the whole database."""
    return "SELECT pg_database_size(current_database()) AS bytes"


def revenue_of_days() -> str:
    """Exact revenue and orders of the last 14 UTC days, to compare with what the batch published."""
    return """
SELECT day, sum(total_amount) AS revenue, sum(transaction_count) AS orders
FROM revenue_daily WHERE day > now() - interval '14 days' GROUP BY day ORDER BY day DESC"""
