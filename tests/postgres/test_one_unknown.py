"""Categories and countries that name nothing are one in the sums, also in those of a database from before."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import asyncpg

from app.ops.repair.repair import repair
from app.postgres.migrate import known_migrations, migrate
from app.reconcile.warehouse.stored_totals import counted
from tests.support.databases import Database
from tests.support.unnamed import NAMED, UNNAMED

_MONDAY: Final = datetime(2025, 12, 1, tzinfo=UTC)
#: The sums of a release before: a row per name as it came.
_SUMS_BEFORE: Final = (
    ("sales_panes", "pane_start", "30 seconds", "category, country"),
    ("sales_hourly", "hour", "1 hour", "category, country"),
    ("sales_daily", "day", "1 day", "category, country"),
    ("sales_weekly", "week", "7 days", "category, country"),
    ("revenue_minutely", "minute", "1 minute", "country"),
    ("revenue_hourly", "hour", "1 hour", "country"),
    ("revenue_daily", "day", "1 day", "country"),
)


async def test_the_database_says_what_python_says(database: Database) -> None:
    rows = await database.fetch(
        f"SELECT name_or_unknown(given), {counted('given')} FROM unnest($1::TEXT[]) "
        "WITH ORDINALITY AS one (given, place) ORDER BY place",
        [*UNNAMED, *NAMED],
    )
    expected = ["unknown"] * len(UNNAMED) + list(NAMED)
    assert [row[0] for row in rows] == expected
    assert [row[1] for row in rows] == expected


async def test_sums_of_a_database_from_before_are_brought_together(blank_database: Database) -> None:
    async with blank_database.owner() as owner:
        await _migrate_before(owner)
        await _fill(owner)
    applied = await migrate(blank_database.postgres)
    assert applied[0].version == _version()
    checked = await repair(blank_database.settings, _MONDAY.date(), _MONDAY.date() + timedelta(days=6), apply=False)
    assert (checked.before, checked.agrees) == ([], True)
    rows = await blank_database.fetch(
        "SELECT country, sum(transaction_count)::BIGINT, sum(total_amount) FROM sales_weekly GROUP BY 1 ORDER BY 1"
    )
    assert [tuple(row) for row in rows] == [
        ("USA", 3, Decimal(3)),
        ("unknown", 3 * len(UNNAMED), Decimal(3 * len(UNNAMED))),
    ]
    kept = await blank_database.fetch("SELECT DISTINCT country FROM transactions")
    assert {row["country"] for row in kept} == {*UNNAMED, "USA"}


def _version() -> int:
    return next(each.version for each in known_migrations() if each.name == "one_unknown")


async def _migrate_before(owner: asyncpg.Connection) -> None:
    """The schema as the release before left it."""
    await owner.execute(
        "CREATE TABLE schema_version (version INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, "
        "applied_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP)"
    )
    for migration in known_migrations():
        if migration.version < _version():
            await owner.execute(migration.sql)
            await owner.execute(
                "INSERT INTO schema_version (version, name, checksum) VALUES ($1, $2, $3)",
                migration.version,
                migration.name,
                migration.checksum,
            )


async def _fill(owner: asyncpg.Connection) -> None:
    orders: list[tuple[Any, ...]] = [
        (f"t{number}-{part}", _MONDAY + timedelta(seconds=part), name, name, number % 2, number)
        for number, name in enumerate([*UNNAMED, "USA"])
        for part in (0, 1, 86_400)
    ]
    await owner.executemany(
        "INSERT INTO transactions (transaction_id, user_id, timestamp, total_amount, category, country, quantity, "
        "source_partition, source_offset) VALUES ($1, 'u', $2, 1, $3, $4, 1, $5, $6)",
        orders,
    )
    for table, start, width, names in _SUMS_BEFORE:
        await owner.execute(
            f"INSERT INTO {table} ({start}, source_partition, {names}, transaction_count, total_amount) "
            f"SELECT date_bin('{width}', timestamp, '1970-01-05Z'), source_partition, {names}, count(*), "
            f"sum(total_amount) FROM transactions GROUP BY 1, 2, {names}"
        )
