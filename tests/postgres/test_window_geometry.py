"""Another window geometry: the panes are summed again, and the view has its windows."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from app.domain.windows import WindowGeometry
from app.errors import SchemaError
from app.postgres.window_geometry import rebuild_windows
from tests.support.databases import Database

_NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
_INSERT = """
INSERT INTO transactions (transaction_id, user_id, timestamp, total_amount, category, country,
    quantity, source_partition, source_offset)
VALUES ($1, 'u', $2, $3, $4, NULL, 1, $5, $6)"""
_WINDOWS = """
SELECT window_start, window_end, category, total_amount, transaction_count
FROM sales_metrics ORDER BY 1, 3"""

#: Seconds after noon, category, amount: with windows of 60 s every 20 s.
_SALES = ((0, "a", "1.10"), (19, "a", "2.20"), (20, "a", "4.40"), (59, "b", "8.80"))


async def _sell(database: Database) -> None:
    async with database.owner() as owner:
        for number, (seconds, category, amount) in enumerate(_SALES):
            when = _NOON + timedelta(seconds=seconds)
            await owner.execute(_INSERT, str(number), when, Decimal(amount), category, number % 2, number)


async def test_every_window_of_the_new_geometry_is_there(database: Database) -> None:
    await _sell(database)
    geometry = WindowGeometry(60, 20)
    assert await rebuild_windows(database.postgres, geometry) == 4
    expected: dict[tuple[datetime, str], Decimal] = {}
    for seconds, category, amount in _SALES:
        second = int(_NOON.timestamp()) + seconds
        for start in (second - second % 20 - earlier for earlier in (0, 20, 40)):
            key = (datetime.fromtimestamp(start, UTC), category)
            expected[key] = expected.get(key, Decimal(0)) + Decimal(amount)
    rows = await database.fetch(_WINDOWS)
    assert {(row["window_start"], row["category"]): row["total_amount"] for row in rows} == expected
    assert {row["window_end"] - row["window_start"] for row in rows} == {timedelta(seconds=60)}
    stored = await database.fetch("SELECT window_seconds, step_seconds FROM stream_windows")
    assert tuple(stored[0].values()) == (60, 20)


async def test_the_first_migration_builds_the_same_view(database: Database) -> None:
    migrated = await database.fetch("SELECT pg_get_viewdef('sales_metrics') AS view")
    await rebuild_windows(database.postgres, WindowGeometry(60, 30))
    assert await database.fetch("SELECT pg_get_viewdef('sales_metrics') AS view") == migrated


async def test_tumbling_windows_are_their_own_panes(database: Database) -> None:
    await _sell(database)
    await rebuild_windows(database.postgres, WindowGeometry(60, 60))
    rows = await database.fetch(_WINDOWS)
    assert [(row["category"], row["total_amount"]) for row in rows] == [("a", Decimal("7.70")), ("b", Decimal("8.80"))]


async def test_it_is_refused_while_a_worker_is_connected(database: Database) -> None:
    async with database.owner() as connection:
        await connection.execute("SET application_name = 'globalmart-worker transactions'")
        with pytest.raises(SchemaError, match="stop them"):
            await rebuild_windows(database.postgres, WindowGeometry(60, 20))
