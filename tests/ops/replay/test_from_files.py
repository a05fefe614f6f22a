"""History from the lake and from Parquet files, through the stream: missing events, once."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from app.errors import LakeError
from app.ops.replay.from_files import lake_batches
from app.topics import TRANSACTIONS
from batch.lake import Lake
from batch.manifest import DayChecksum, LakeDay, Manifest
from batch.sources import LAKE_TABLES
from tests.faults.world import World
from tests.ops.dead_letters.refused import deliver, globalmart, order

DAY = (datetime.now(UTC) - timedelta(days=3)).date()


def at(day: date, second: int) -> datetime:
    return datetime(day.year, day.month, day.day, 12, 0, second, tzinfo=UTC)


def kept_order(name: str, second: int, amount: str, day: date = DAY) -> dict[str, Any]:
    """An order as the lake keeps it."""
    empty = dict.fromkeys(LAKE_TABLES["transactions"].columns)
    return empty | {
        "transaction_id": name,
        "user_id": f"user of {name}",
        "timestamp": at(day, second),
        "total_amount": Decimal(amount),
        "category": "Books",
        "quantity": 12,
        "source_offset": 7,
    }


def kept_view(name: str) -> dict[str, Any]:
    """A page seen, as the lake keeps it."""
    view = {"event_id": name, "user_id": "u", "session_id": "s", "timestamp": at(DAY, 1)}
    return dict.fromkeys(LAKE_TABLES["product_views"].columns) | view | {"product_id": "p", "source_offset": 1}


def fill_lake(folder: Path, orders: list[dict[str, Any]], views: list[dict[str, Any]]) -> None:
    """A lake of one day."""
    lake, manifest = Lake(str(folder)), Manifest()
    for source, rows in ((LAKE_TABLES["transactions"], orders), (LAKE_TABLES["product_views"], views)):
        with lake.new_file(source, DAY) as file:
            file.write(pa.Table.from_pylist(rows, schema=source.arrow_schema))
        day = {DAY: LakeDay(DayChecksum(len(rows), 0), file.name)}
        manifest = manifest.with_days(source.name, day)
    lake.write_manifest(manifest)


def test_a_lake_that_is_elsewhere_is_not_replayed_as_an_empty_one(tmp_path: Path) -> None:
    with pytest.raises(LakeError, match="GLOBALMART_BATCH_LAKE"):
        list(lake_batches(str(tmp_path / "elsewhere"), DAY, DAY))
    assert list(tmp_path.iterdir()) == []


async def test_the_lake_and_files_supply_what_is_missing(world: World, tmp_path: Path) -> None:
    world.worker()
    orders = [kept_order("a", 1, "1.10"), kept_order("b", 2, "2.20"), kept_order("c", 3, "3.30")]
    fill_lake(tmp_path / "lake", orders, [kept_view("v1"), kept_view("v2")])
    known = order("a", user="user of a", total_amount="1.10", timestamp=at(DAY, 1).isoformat())
    await deliver(world, [known])
    environ = {"BATCH_LAKE": str(tmp_path / "lake")}
    span = ("replay", "--lake", "--from", DAY.isoformat(), "--to", DAY.isoformat())

    async def run(*arguments: str) -> Any:
        return await asyncio.to_thread(globalmart, world, *arguments, **environ)

    result = await run(*span)
    assert result.exit_code == 0, result.output
    assert f"{TRANSACTIONS}: 3 rows read, 2 sent" in result.stdout
    assert "product_views: 2 rows read, 2 sent" in result.stdout
    result = await run(*span)
    assert f"{TRANSACTIONS}: 3 rows read, 0 sent" in result.stdout

    path = tmp_path / "old.parquet"
    later = DAY + timedelta(days=1)
    pq.write_table(pa.Table.from_pylist([*orders, kept_order("d", 4, "4.40", later)]), path)
    result = await run("replay", "--parquet", str(path))
    assert f"{TRANSACTIONS}: 4 rows read, 1 sent" in result.stdout

    rows = await world.sql("SELECT transaction_id, total_amount FROM transactions ORDER BY 1")
    expected = [("a", "1.10"), ("b", "2.20"), ("c", "3.30"), ("d", "4.40")]
    assert [(row[0], str(row[1])) for row in rows] == expected
    raised = await world.sql("SELECT count(*) FROM transaction_anomalies")
    assert raised[0][0] == 3, "what came through the stream is judged like everything else"
    await world.exact()

    # a day whose sums count rows that are gone is not sent again: it would count twice
    await world.execute("DELETE FROM transactions WHERE transaction_id = 'b'")
    result = await run(*span)
    assert result.exit_code == 1
    assert f"skipped: transactions {DAY}: its sums count 1 rows that no longer exist" in result.stdout
    result = await run("replay", "--parquet", str(path))
    assert f"skipped: transactions {DAY}" in result.stdout
    assert f"{TRANSACTIONS}: 4 rows read, 0 sent" in result.stdout
    result = await run("replay", "--from", DAY.isoformat(), "--to", DAY.isoformat())
    assert "transactions: 4 records read, 1 rows restored" in result.stdout
    await world.exact()
