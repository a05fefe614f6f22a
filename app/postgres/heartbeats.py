"""The heartbeats of workers in PostgreSQL: how often one is written, and which workers count as alive."""

from typing import Final

#: A worker writes its row this often.
HEARTBEAT_SECONDS: Final = 5.0
#: Three heartbeats may be late before a worker counts as gone.
ALIVE_SECONDS: Final = 20

#: The workers that are alive, oldest first; `lag` and `latency` are JSON.
SELECT_ALIVE: Final = f"""
SELECT worker_id, host, pid, started_at, seen_at, lag, latency, rss_bytes FROM worker_heartbeats
WHERE seen_at > CURRENT_TIMESTAMP - INTERVAL '{ALIVE_SECONDS} seconds' ORDER BY started_at, worker_id"""
