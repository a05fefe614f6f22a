"""Queries of revenue and orders, for the selected countries."""

from typing import Final

from grafana.sql.ranges import BY_CATEGORY, BY_COUNTRY, CHOSEN_ROWS, in_steps, sold

#: Names to choose from.
COUNTRIES: Final = "SELECT DISTINCT country FROM revenue_daily ORDER BY 1"
#: Revenue, orders, and revenue by orders, of the range.
REVENUE: Final = f"SELECT sum(total_amount) AS revenue FROM {sold(BY_COUNTRY, 'country', 'total_amount')}"
ORDERS: Final = f"SELECT sum(transaction_count) AS orders FROM {sold(BY_COUNTRY, 'country', 'transaction_count')}"
AVERAGE_ORDER_VALUE: Final = f"""
SELECT round(sum(total_amount) / nullif(sum(transaction_count), 0), 2) AS average
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
SELECT time, round(sum(amount) / sum(orders), 2) AS average
FROM ({in_steps(BY_COUNTRY, "country")}) AS step GROUP BY time ORDER BY time"""
#: Revenue, orders and average of each category in the range.
REVENUE_BY_CATEGORY: Final = f"""
SELECT category, sum(total_amount) AS revenue,
  sum(transaction_count) AS orders, round(sum(total_amount) / sum(transaction_count), 2) AS average
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
