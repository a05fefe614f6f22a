"""Orders of a year, their rollups and anomalies in PostgreSQL, made by SQL; cached for the next run."""

from typing import Final

import asyncpg

from app.postgres.connections import connect_owner
from app.settings import Settings

USERS: Final = 100_000
CATEGORIES: Final = 100
COUNTRIES: Final = ("USA", "UK", "Canada", "Germany", "France")
#: Midnight after the last order.
END: Final = "2026-03-01T00:00:00+00:00"

_ORDERS: Final = f"""
INSERT INTO transactions (transaction_id, user_id, timestamp, total_amount, category, country,
    payment_method, quantity, product_id, source_partition, source_offset)
SELECT 't' || n, 'u' || ((hashint8extended(n, 0) & 1048575) % {USERS}),
    '{END}'::TIMESTAMPTZ - (1 + ($1::BIGINT - n)::FLOAT8 / $1::BIGINT * 31536000) * INTERVAL '1 second',
    (hashint8extended(n, 1) & 65535) / 100.0 + CASE WHEN n % 200 = 0 THEN 5000 ELSE 0 END,
    'Category ' || ((hashint8extended(n, 2) & 1048575) % {CATEGORIES}),
    ('{{{",".join(COUNTRIES)}}}'::TEXT[])[1 + (hashint8extended(n, 3) & 1048575) % {len(COUNTRIES)}],
    'card', 1, 'p' || ((hashint8extended(n, 4) & 1048575) % 5000), n % 6, n
FROM generate_series($2::BIGINT, $3::BIGINT) AS n"""
_FINER: Final = """
INSERT INTO {table} ({time}, source_partition, {names}, transaction_count, total_amount)
SELECT date_bin('{unit}', timestamp, '1970-01-05Z'), source_partition, {names}, count(*), sum(total_amount)
FROM transactions GROUP BY 1, 2, {names}"""
_ROLLUPS: Final = (
    ("revenue_minutely", "minute", "1 minute", "country"),
    ("revenue_hourly", "hour", "1 hour", "country"),
    ("revenue_daily", "day", "1 day", "country"),
    ("sales_panes", "pane_start", "30 seconds", "category, country"),
    ("sales_hourly", "hour", "1 hour", "category, country"),
    ("sales_daily", "day", "1 day", "category, country"),
    ("sales_weekly", "week", "7 days", "category, country"),
)
_ANOMALIES: Final = """
INSERT INTO transaction_anomalies (transaction_id, user_id, amount, anomaly_score, anomaly_type, detected_at,
    description, event_time, threshold, position)
SELECT transaction_id, user_id, total_amount, total_amount / 5000, 'high_value', timestamp,
    'High value transaction: $' || total_amount, timestamp, 5000, source_offset
FROM transactions WHERE source_offset % 200 = 0"""
_LEDGER: Final = """
INSERT INTO stream_progress (topic, partition, next_offset, watermark, consumed, stored)
SELECT 'transactions', source_partition, count(*), max(timestamp), count(*), count(*)
FROM transactions GROUP BY 2"""
_SLICE: Final = 500_000


async def fill_orders(settings: Settings, orders: int) -> None:
    """Store so many orders, unless an earlier run has."""
    owner = await connect_owner(settings.postgres)
    try:
        if await owner.fetchval("SELECT sum(stored) FROM stream_progress") == orders:
            return
        await owner.execute("SET max_parallel_workers_per_gather = 0; SET work_mem = '256MB'")
        for first in range(1, orders + 1, _SLICE):
            last = min(orders, first + _SLICE - 1)
            await owner.execute(_ORDERS, orders, first, last, timeout=1800)
        await _fill_the_rest(owner)
    finally:
        await owner.close()


async def _fill_the_rest(owner: asyncpg.Connection) -> None:
    for table, time, unit, names in _ROLLUPS:
        statement = _FINER.format(table=table, time=time, unit=unit, names=names)
        await owner.execute(statement, timeout=1800)
    for statement in (_ANOMALIES, "SELECT brin_summarize_new_values('idx_transactions_time')"):
        await owner.execute(statement, timeout=1800)
    await owner.execute("VACUUM (ANALYZE)", timeout=1800)
    await owner.execute(_LEDGER, timeout=1800)
