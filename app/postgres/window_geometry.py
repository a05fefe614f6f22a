"""The window geometry in the database: the view `sales_metrics` and the panes under it, rebuilt for new settings.

The first migration builds windows of 60 s every 30 s. Another geometry needs other panes, which are summed again
from the stored transactions.
"""

from typing import Final

import asyncpg

from app.domain.windows import WindowGeometry
from app.errors import SchemaError
from app.postgres.connections import connect_owner
from app.postgres.migrate import WORKERS
from app.settings import PostgresSettings

_DELETED: Final = "SELECT max(deleted_before) FROM retention_progress WHERE topic = 'transactions'"
_INDEXES: Final = """
SELECT indexname FROM pg_indexes
WHERE tablename = 'sales_panes' AND indexname LIKE 'idx\\_sales\\_panes\\_window\\_%'"""
_PANES: Final = """
INSERT INTO sales_panes
    (pane_start, source_partition, category, country, total_amount, transaction_count)
SELECT date_bin(make_interval(secs => $1), timestamp, to_timestamp(0)), source_partition,
    name_or_unknown(category), name_or_unknown(country), sum(total_amount), count(*)
FROM transactions GROUP BY 1, 2, 3, 4"""


async def rebuild_windows(settings: PostgresSettings, geometry: WindowGeometry) -> int:
    """Sums the panes again for another geometry, in one transaction; returns how many there are.

    Raises SchemaError while workers are connected: they would continue to write panes of the old length.
    """
    connection = await connect_owner(settings)
    try:
        async with connection.transaction():
            if await connection.fetchval(WORKERS):
                raise SchemaError("workers are connected to this database: stop them, then try again")
            floor = await connection.fetchval(_DELETED)
            if floor is not None:
                raise SchemaError(
                    f"orders before {floor:%Y-%m-%d} were deleted after their retention: their windows cannot be "
                    "rebuilt for other settings"
                )
            await connection.execute("LOCK TABLE stream_progress, sales_panes IN EXCLUSIVE MODE")
            await _drop(connection)
            await connection.execute(
                "UPDATE stream_windows SET window_seconds = $1, step_seconds = $2",
                geometry.window_seconds,
                geometry.step_seconds,
            )
            await connection.execute(_PANES, geometry.step_seconds)
            await connection.execute(windows_sql(geometry))
            return int(await connection.fetchval("SELECT count(*) FROM sales_panes"))
    finally:
        await connection.close()


def windows_sql(geometry: WindowGeometry) -> str:
    """SQL of indexes and view for a geometry: a branch per pane of a window, each with an indexed start."""
    earlier = [geometry.step_seconds * pane for pane in range(1, geometry.panes_per_window)]
    indexes = "".join(
        f"CREATE INDEX idx_sales_panes_window_{number} ON sales_panes (({_earlier(seconds)}));\n"
        for number, seconds in enumerate(earlier, start=1)
    )
    columns = "category, country, total_amount, transaction_count, created_at"
    branches = "\n    UNION ALL\n    ".join(
        f"SELECT {start} AS window_start, {columns} FROM sales_panes"
        for start in ("pane_start", *map(_earlier, earlier))
    )
    return f"""{indexes}
CREATE VIEW sales_metrics AS
SELECT
    hash_record_extended(row(window_start, category, country), 0) AS id,
    window_start,
    window_start + interval '{geometry.window_seconds} seconds' AS window_end,
    category,
    country,
    sum(total_amount)::NUMERIC(24, 2) AS total_amount,
    sum(transaction_count)::BIGINT AS transaction_count,
    (sum(total_amount) / sum(transaction_count))::NUMERIC(14, 2) AS avg_transaction_value,
    min(created_at) AS created_at
FROM (
    {branches}
) AS pane_of_window
GROUP BY window_start, category, country;
COMMENT ON VIEW sales_metrics IS 'One row per (window, category, country). Windows overlap: never add them up.';
GRANT SELECT ON sales_metrics TO globalmart_worker, globalmart_reader"""


def _earlier(seconds: int) -> str:
    """SQL of the start of a window that begins these seconds before its pane; only plain UTC time is immutable."""
    return f"((pane_start AT TIME ZONE 'UTC') - interval '{seconds} seconds') AT TIME ZONE 'UTC'"


async def _drop(connection: asyncpg.Connection) -> None:
    await connection.execute("DROP VIEW sales_metrics")
    for row in await connection.fetch(_INDEXES):
        await connection.execute(f"DROP INDEX {row['indexname']}")
    await connection.execute("DELETE FROM sales_panes")
