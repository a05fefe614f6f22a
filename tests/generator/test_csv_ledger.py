"""Files through the real path: command line, Kafka, worker, PostgreSQL; the summary against the ledger."""

import asyncio
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.faults.conftest import world
from tests.faults.world import World
from tests.generator.shop_files import SHOPS
from tests.generator.test_csv_shops import generate

__all__ = ["world"]

SECONDS = 600.0


async def bring_in(world: World, folder: Path, name: str, *options: str) -> dict[str, Any]:
    """Import a file with the settings of the worker; its summary."""
    process = generate(folder, "--from-csv", name, "--summary-file", "summary.json", *options, **world.environment())
    _, complaints = await asyncio.to_thread(process.communicate, timeout=SECONDS)
    assert process.returncode == 0, complaints
    summary: dict[str, Any] = json.loads((folder / "summary.json").read_text())
    return summary


async def ledger(world: World) -> tuple[int, int, int, int, Decimal]:
    """Stored, duplicates and dead letters as the ledger counts them; orders and their sum as they are stored."""
    ((stored, duplicates, dead_letters),) = await world.sql(
        "SELECT sum(stored)::INT, sum(duplicates)::INT, sum(dead_lettered)::INT FROM stream_progress"
        " WHERE topic = 'transactions'"
    )
    ((orders, total),) = await world.sql("SELECT count(*)::INT, sum(total_amount) FROM transactions")
    return stored, duplicates, dead_letters, orders, total


async def test_every_shop_is_in_the_ledger_as_its_summary_says(world: World, tmp_path: Path) -> None:
    world.worker()
    orders, total = 0, Decimal(0)
    for shop in SHOPS:
        (tmp_path / shop.name).write_bytes(shop.content)
        summary = await bring_in(world, tmp_path, shop.name, *shop.arguments)
        figures = summary["file"]
        assert (figures["orders"], figures["sent"], figures["not_sent"]) == (shop.orders, shop.orders, 0)
        assert Decimal(figures["sum"]) == Decimal(figures["sent_sum"]) == shop.total
        orders, total = orders + shop.orders, total + shop.total
        await world.consumed(SECONDS)
        assert await ledger(world) == (orders, 0, 0, orders, total)
    await world.exact(SECONDS)


async def test_an_export_with_a_new_row_brings_in_that_row_alone(world: World, tmp_path: Path) -> None:
    """And what a worker would refuse is refused before: nothing becomes a dead letter."""
    world.worker()
    header = "user_id,timestamp,total_amount"
    rows = ["ann,2025-01-01,5.00", "bob,2025-01-02,6.00", "ann,2025-01-01,5.00"]
    (tmp_path / "a.csv").write_text("\n".join([header, *rows, ""]))
    await bring_in(world, tmp_path, "a.csv")
    await world.consumed(SECONDS)
    assert await ledger(world) == (3, 0, 0, 3, Decimal("16.00"))
    bad = ["eve,2099-01-01,1", "eve,1969-01-01,2", "eve,2025-01-01,-4", "ev\0e,2025-01-01,8"]
    (tmp_path / "b.csv").write_text("\n".join([header, "eve,2025-01-03,7.25", *rows, *bad, ""]))
    figures = (await bring_in(world, tmp_path, "b.csv", "--skip-bad-rows"))["file"]
    assert (figures["sent"], sum(figures["refused"].values())) == (4, 4)
    await world.consumed(SECONDS)
    assert await ledger(world) == (4, 3, 0, 4, Decimal("23.25"))
    await world.exact(SECONDS)
