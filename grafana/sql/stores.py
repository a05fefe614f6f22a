"""Queries about the ledger, dead letters, sizes, and the sources of the batch."""


def last_order_age() -> str:
    """Seconds since the newest accepted order."""
    return "SELECT extract(epoch FROM now() - max(watermark)) AS age FROM stream_progress WHERE topic = 'transactions'"


def ledger() -> str:
    """Outcomes of all records: consumed = stored + duplicates + dead letters."""
    return """
SELECT topic, sum(consumed) AS consumed, sum(stored) AS stored, sum(duplicates) AS duplicates,
  sum(conflicting) AS conflicting, sum(dead_lettered) AS dead_letters, sum(late) AS late, sum(lost) AS lost
FROM stream_progress GROUP BY topic ORDER BY topic"""


def latest_dead_letters() -> str:
    """The fifty newest rejected records."""
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
    """Exact revenue and orders of the last 14 UTC days, to compare with the published ones."""
    return """
SELECT day, sum(total_amount) AS revenue, sum(transaction_count) AS orders
FROM revenue_daily WHERE day > now() - interval '14 days' GROUP BY day ORDER BY day DESC"""
