"""The figures that the API must return, from PostgreSQL's rows in independent SQL: orders, no rollup, no view."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import asyncpg

from app.errors import RecountError
from app.reconcile.serving.answer_shapes import EVERYWHERE, GROUPS, TRENDS, shaped
from app.reconcile.stream.edition_records import GUIDE_RULES
from app.reconcile.warehouse.stored_totals import counted
from app.reconcile.warehouse.trend_periods import trend

#: Rounds half up to the cent, in integer arithmetic.
_MEAN: Final = "div(200 * sum(total_amount) + count(*), 2 * count(*)) * 0.01"
_TOTALS: Final = f"""
    SELECT CASE WHEN grouping(country) = 1 THEN '{EVERYWHERE}' ELSE country END AS country,
        sum(total_amount) AS total_revenue, count(*) AS total_transactions, {_MEAN} AS avg_order_value
    FROM (SELECT {counted("country")} AS country, total_amount FROM transactions) AS sale
    GROUP BY GROUPING SETS ((), (country))"""
_BY: Final = f"""
    SELECT {{}} AS key, sum(total_amount) AS revenue, count(*) AS transaction_count, {_MEAN} AS avg_order_value
    FROM transactions GROUP BY 1"""
_KEYS: Final = {
    "day": "(timestamp AT TIME ZONE 'UTC')::date::text",
    "category": counted("category"),
    "country": counted("country"),
}
_DAYS: Final = """
    SELECT (timestamp AT TIME ZONE 'UTC')::date AS day, sum(total_amount) AS revenue, count(*) AS orders
    FROM transactions WHERE timestamp < $1 GROUP BY 1"""
_ANOMALIES: Final = """
    SELECT kind AS anomaly_type, count(anomaly_type) FROM unnest($1::text[]) AS kind
    LEFT JOIN transaction_anomalies ON anomaly_type = kind GROUP BY kind"""
_BUSIEST: Final = """
    SELECT user_id, count(*) AS frequency, sum(total_amount) AS monetary,
        $2::date - (max(timestamp) AT TIME ZONE 'UTC')::date AS recency
    FROM transactions WHERE timestamp < $1 GROUP BY user_id ORDER BY 2 DESC, 1 LIMIT 1"""
_NEWEST: Final = "SELECT * FROM transactions WHERE user_id = $1 ORDER BY timestamp DESC LIMIT 10"
_ORDER: Final = """
    SELECT t.* FROM transactions AS t LEFT JOIN transaction_anomalies USING (transaction_id)
    ORDER BY anomaly_type IS NULL, t.timestamp DESC LIMIT 1"""
_TOPICS: Final = """
    SELECT topic, sum(stored + duplicates + dead_lettered)::bigint AS consumed, sum(stored)::bigint AS stored,
        sum(duplicates)::bigint AS duplicates, sum(conflicting)::bigint AS conflicting,
        sum(dead_lettered)::bigint AS dead_lettered, sum(late)::bigint AS late, sum(lost)::bigint AS lost
    FROM stream_progress GROUP BY topic"""


@dataclass(frozen=True, slots=True)
class StoredAnswers:
    """Figures by name, the busiest customer and an order to request."""

    figures: Mapping[str, Any]
    customer: Mapping[str, Any]
    transaction_id: str


async def stored_answers(connection: asyncpg.Connection, as_of: date, read_on: date) -> StoredAnswers:
    """Returns figures of everything stored; trends and the customer up to the end of `as_of`, UTC.

    `read_on` is the day on which the batch read PostgreSQL: no period is complete before its end. Raises RecountError
    if nothing is stored.
    """
    end = datetime.combine(as_of + timedelta(days=1), datetime.min.time(), UTC)
    complete_before = min(as_of + timedelta(days=1), read_on)
    days = await connection.fetch(_DAYS, end)
    customer = await connection.fetchrow(_BUSIEST, end, as_of)
    order = await connection.fetchrow(_ORDER)
    if customer is None or order is None:
        raise RecountError("no order is stored up to the day of the published run; there is nothing to compare")
    figures = {
        **await _sales(connection),
        **shaped("anomalies", await connection.fetch(_ANOMALIES, list(GUIDE_RULES))),
        **shaped("topic", await connection.fetch(_TOPICS)),
        **shaped("customer's order", await connection.fetch(_NEWEST, customer["user_id"])),
        **shaped("order", [order]),
        **_trends({row["day"]: (row["revenue"], row["orders"]) for row in days}, complete_before),
    }
    return StoredAnswers(figures, dict(customer), order["transaction_id"])


async def _sales(connection: asyncpg.Connection) -> dict[str, Any]:
    figures = shaped("sales", await connection.fetch(_TOTALS))
    for group in GROUPS:
        rows = await connection.fetch(_BY.format(_KEYS[group]))
        figures |= shaped(f"sales by {group}", rows)
    return figures


def _trends(days: Mapping[date, tuple[Decimal, int]], complete_before: date) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    for kind in TRENDS:
        figures |= shaped(f"trends {kind}", trend(kind, days, complete_before))
    return figures
