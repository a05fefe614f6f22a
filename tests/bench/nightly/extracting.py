"""The extract alone: a lake's rows put into PostgreSQL, read from there into an empty lake."""

import asyncio
import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Final

import asyncpg
import duckdb

from app.postgres.migrate import migrate
from app.settings import Settings
from batch.extract import extract
from batch.lake import Lake
from batch.postgres_snapshot import open_snapshot
from batch.sources import LAKE_TABLES, LakeTable
from compose.embedded.stack import EmbeddedStack
from tests.bench.nightly.measuring import Spent, measured

_ROLLUP: Final = """
    INSERT INTO sales_daily
    SELECT date_trunc('day', timestamp, 'UTC'), source_partition, name_or_unknown(category), name_or_unknown(country),
        count(*), sum(total_amount)
    FROM transactions GROUP BY 1, 2, 3, 4"""


def measure_extract(lake: Lake, as_of: date, var_dir: Path, report: Callable[[str], None]) -> dict[str, Spent]:
    """`first` reads every day, `again` finds that none has changed; PostgreSQL's own time is in the seconds."""
    with EmbeddedStack(
        var_dir / "stack", services=("postgres",), fresh=True, preferred_ports=False, report=report
    ) as stack:
        settings = Settings(stack.environment())
        report("nightly: filling PostgreSQL")
        asyncio.run(_fill(lake, as_of, settings, stack, var_dir))
        shutil.rmtree(var_dir / "extracted", ignore_errors=True)
        extracted = Lake(str(var_dir / "extracted"))
        return {
            "extract_first": _extract(settings, extracted, as_of),
            "extract_again": _extract(settings, extracted, as_of),
        }


def _extract(settings: Settings, lake: Lake, as_of: date) -> Spent:
    with measured() as spent, open_snapshot(settings.postgres) as snapshot:
        extract(snapshot, lake, as_of, group_rows=settings.batch.extract_rows)
    return spent


async def _fill(lake: Lake, as_of: date, settings: Settings, stack: EmbeddedStack, var_dir: Path) -> None:
    await migrate(settings.postgres)
    connection = await asyncpg.connect(stack.postgres.dsn())
    for source in LAKE_TABLES.values():
        text = var_dir / f"{source.name}.csv"
        _as_csv(lake, source, as_of, text)
        columns = [*source.columns, "source_partition"]
        await connection.copy_to_table(source.name, source=text, columns=columns, format="csv")
        text.unlink()
    await connection.execute(_ROLLUP)
    await connection.execute("VACUUM ANALYZE")
    await connection.close()


def _as_csv(lake: Lake, source: LakeTable, as_of: date, text: Path) -> None:
    files = [lake.address(name) for name in lake.read_manifest().files(source.name, as_of)]
    paths = [name.removeprefix("file://") for name in files]
    columns = ", ".join(source.columns)
    with duckdb.connect() as engine:
        engine.execute("SET TimeZone = 'UTC'")
        engine.execute(
            f"COPY (SELECT {columns}, 0 AS source_partition FROM read_parquet({paths}, "
            f"hive_partitioning = false)) TO '{text}' (HEADER false)"
        )
