"""Queries about the ledger, dead letters, sizes, and the sources of the batch."""

from typing import Final

#: Seconds since the newest accepted order.
LAST_ORDER_AGE: Final = (
    "SELECT extract(epoch FROM now() - max(watermark)) AS age FROM stream_progress WHERE topic = 'transactions'"
)
#: Outcomes of all records: consumed = stored + duplicates + dead letters.
LEDGER: Final = """
SELECT topic, sum(consumed) AS consumed, sum(stored) AS stored, sum(duplicates) AS duplicates,
  sum(conflicting) AS conflicting, sum(dead_lettered) AS dead_letters, sum(late) AS late, sum(lost) AS lost
FROM stream_progress GROUP BY topic ORDER BY topic"""
#: The fifty newest rejected records.
LATEST_DEAD_LETTERS: Final = """
SELECT created_at, source_topic, source_partition, source_offset, reason, detail
FROM dead_letters ORDER BY id DESC LIMIT 50"""
#: Bytes of the fifteen largest tables with their indexes.
TABLE_SIZES: Final = """
SELECT relname AS table, pg_total_relation_size(oid) AS bytes FROM pg_class
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY bytes DESC LIMIT 15"""
#: Bytes of the whole database.
DATABASE_BYTES: Final = "SELECT pg_database_size(current_database()) AS bytes"
#: Exact revenue and orders of the last 14 UTC days, to compare with the published ones.
REVENUE_OF_DAYS: Final = """
SELECT day, sum(total_amount) AS revenue, sum(transaction_count) AS orders
FROM revenue_daily WHERE day > now() - interval '14 days' GROUP BY day ORDER BY day DESC"""
