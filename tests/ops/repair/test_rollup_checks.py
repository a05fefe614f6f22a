"""Sums compared with rows: any length of panes, and one maintenance command at a time."""

import asyncio
from datetime import date
from typing import Any, Final

import pytest
from typer.testing import CliRunner

from app.cli.commands import build_app
from app.ops.lock import exclusive_owner
from app.ops.repair.repair import Repair, repair
from app.settings import Settings
from compose.embedded.stack import EmbeddedStack
from tests.support.databases import Database

_DAY: Final = date(2025, 12, 1)
_ROWS: Final = """
INSERT INTO transactions (transaction_id, user_id, timestamp, total_amount, category, country, quantity,
    source_partition, source_offset)
SELECT 't' || i, 'u', '2025-11-30 20:00Z'::TIMESTAMPTZ + i * interval '7 minutes', i * 1.01,
    CASE WHEN i % 3 > 0 THEN 'c' || i % 3 END, CASE WHEN i % 5 > 0 THEN 'k' || i % 5 END, 1, i % 4, i
FROM generate_series(1, 500) i"""
_TABLES: Final = ("sales_panes", "sales_hourly", "sales_daily", "sales_weekly", "revenue_minutely", "revenue_hourly")


def variables(stack: EmbeddedStack, database: Database, step: int = 30) -> dict[str, str]:
    """Settings of windows as long as their panes, or of the usual ones."""
    return stack.environment() | {
        "GLOBALMART_POSTGRES_DATABASE": database.name,
        "GLOBALMART_STREAM_WINDOW_SECONDS": str(step if step != 30 else 60),
        "GLOBALMART_STREAM_WINDOW_STEP_SECONDS": str(step),
    }


@pytest.mark.parametrize("step", [30, 7, 5_400, 86_400])
async def test_everything_is_summed_again_from_the_rows(stack: EmbeddedStack, database: Database, step: int) -> None:
    settings = Settings(variables(stack, database, step))

    async def run(*, apply: bool) -> Repair:
        return await repair(settings, date(2025, 11, 30), date(2025, 12, 3), apply=apply)

    async with database.owner() as owner:
        await owner.execute(_ROWS)
    assert not (await run(apply=False)).agrees
    done = await run(apply=True)
    assert done.after == []
    (wanted,) = await database.fetch("SELECT count(*), sum(total_amount) FROM transactions")
    for table in (*_TABLES, "revenue_daily"):
        sums = f"SELECT sum(transaction_count), sum(total_amount) FROM {table}"
        assert tuple((await database.fetch(sums))[0]) == tuple(wanted), table
    assert (await run(apply=False)).before == []


async def test_other_days_are_left_alone(stack: EmbeddedStack, database: Database) -> None:
    settings = Settings(variables(stack, database))
    async with database.owner() as owner:
        await owner.execute(_ROWS)
    done = await repair(settings, _DAY, _DAY, apply=True)
    assert {d.table for d in done.after if d.start.date() == _DAY} == {"sales_weekly"}, "its week waits"
    days = "SELECT DISTINCT (day AT TIME ZONE 'UTC')::DATE FROM sales_daily"
    assert [row[0] for row in await database.fetch(days)] == [_DAY]
    report = (await repair(settings, date(2025, 11, 30), _DAY, apply=False)).to_dict()
    days_reported = {wrong["start"][:10] for wrong in report["before"] if wrong["table"] != "sales_weekly"}
    assert days_reported == {"2025-11-30"}


async def test_a_week_is_not_taken_from_days_that_are_wrong(stack: EmbeddedStack, database: Database) -> None:
    settings = Settings(variables(stack, database))
    async with database.owner() as owner:
        await owner.execute(_ROWS)
    assert (await repair(settings, date(2025, 11, 30), date(2025, 12, 3), apply=True)).agrees
    async with database.owner() as owner:
        await owner.execute("UPDATE sales_daily SET total_amount = 0 WHERE day = '2025-12-01Z'")
    weeks = await database.fetch("SELECT * FROM sales_weekly ORDER BY 1, 2, 3, 4")
    said: list[str] = []
    done = await repair(settings, date(2025, 12, 2), date(2025, 12, 2), apply=True, report=said.append)
    assert not done.agrees
    assert [line for line in said if "2025-12-01 differs from its rows" in line]
    assert await database.fetch("SELECT * FROM sales_weekly ORDER BY 1, 2, 3, 4") == weeks
    assert (await repair(settings, _DAY, _DAY, apply=True)).agrees
    assert (await repair(settings, date(2025, 11, 30), date(2025, 12, 3), apply=False)).before == []


async def test_one_upkeep_at_a_time(stack: EmbeddedStack, database: Database) -> None:
    environ = variables(stack, database)
    commands = (
        ("reconcile", "--date", "2025-12-01"),
        ("replay", "--from", "2025-12-01", "--to", "2025-12-01"),
        ("maintain",),
    )

    def run(*arguments: str) -> Any:
        return CliRunner().invoke(build_app(arguments), list(arguments), env=environ)

    async with exclusive_owner(database.postgres):
        for command in commands:
            result = await asyncio.to_thread(run, *command)
            assert result.exit_code == 75, (command, result.output, result.exception)
    result = await asyncio.to_thread(run, *commands[0])
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    "arguments",
    [
        ("reconcile", "--repair"),
        ("reconcile", "--date", "2025-12-02", "--through", "2025-12-01"),
        ("replay", "--from", "2025-12-01"),
        ("replay", "--from", "2025-12-01", "--to", "2025-12-01", "--topic", "anomalies"),
        ("dead-letters", "replay"),
        ("dead-letters", "replay", "1", "--reason", "key_mismatch"),
    ],
)
def test_wrong_usage_is_said(arguments: tuple[str, ...]) -> None:
    result = CliRunner().invoke(build_app(arguments), list(arguments), env={"GLOBALMART_ENV_FILE": ""})
    assert result.exit_code == 2, result.output
