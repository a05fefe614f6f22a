"""Retention during live traffic: whole days are deleted once the lake has them, sums and recount stay exact."""

import asyncio
import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from app.ops.retention.topic_retention import topic_retention
from app.settings import Settings
from app.topics import PRODUCT_VIEWS, SYSTEM_METRICS
from batch.extract import extract
from batch.lake import Lake
from batch.postgres_snapshot import open_snapshot
from tests.faults import topics
from tests.faults.load import Sent
from tests.faults.world import World
from tests.ops.dead_letters.refused import deliver, globalmart, order

TODAY: Final = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
OLD: Final = [(TODAY - timedelta(days=days)) for days in (11, 10)]

#: Rows are settled as soon as the transaction that brought them may no longer last.
AT_ONCE: Final = {"POSTGRES_TRANSACTION_TIMEOUT_SECONDS": "0.01"}


def view(name: str, at: datetime) -> Sent:
    event = {"event_id": name, "user_id": "u", "session_id": "s", "product_id": "p"}
    value = json.dumps(event | {"timestamp": at.isoformat()}).encode()
    return Sent(PRODUCT_VIEWS, b"u", value)


def measurement(at: datetime) -> Sent:
    event = {"host": "h", "component": "c", "metric": "m", "value": 1}
    value = json.dumps(event | {"timestamp": at.isoformat()}).encode()
    return Sent(SYSTEM_METRICS, b"h", value)


def history() -> list[Sent]:
    """Orders (some in bursts, some large), views and measurements of two old days and of today."""
    records = []
    for place, at in enumerate([*OLD, datetime.now(UTC) - timedelta(minutes=10)]):
        for number in range(60):
            moment = (at + timedelta(seconds=3 * number)).isoformat()
            amount = "6000.00" if number == 5 else f"{number}.25"
            user = f"user-{number % 4}"
            records.append(order(f"o{place}-{number}", user, timestamp=moment, total_amount=amount))
            records.append(view(f"v{place}-{number}", at + timedelta(seconds=number)))
        records.append(measurement(at))
    return records


def fill(lake: Path, world: World, as_of: date) -> None:
    """What the nightly batch does first."""
    with open_snapshot(Settings(world.environment()).postgres) as snapshot:
        extract(snapshot, Lake(str(lake)), as_of, group_rows=1000)


async def counts(world: World) -> dict[str, int]:
    """Rows of old days, by table."""
    found = {}
    for table in ("transactions", "product_views", "cart_events", "system_metrics"):
        query = f"SELECT count(*) FROM {table} WHERE timestamp < $1"
        found[table] = (await world.sql(query, TODAY - timedelta(days=2)))[0][0]
    return found


async def test_old_days_go_once_the_lake_has_them(world: World, tmp_path: Path) -> None:
    world.worker()
    await deliver(world, history())
    lake = tmp_path / "lake"
    # not later days: live traffic brings late orders of yesterday in the first hours of a day
    revenue = f"SELECT sum(total_amount) FROM sales_daily WHERE day <= '{OLD[-1].date()}'"
    before = await world.sql(revenue)

    async def maintain(*options: str, **more: str) -> Any:
        changes = {"BATCH_LAKE": str(lake), "STREAM_RETENTION_DAYS": "5"} | more
        changes |= AT_ONCE | {"RETENTION_DELETE_PAGES": "1", "RETENTION_TOPIC_HOURS": "dead_letters=168"}
        return await asyncio.to_thread(globalmart, world, "maintain", *options, **changes)

    # the lake has nothing: only what is never archived goes
    result = await maintain()
    assert result.exit_code == 1, result.output
    assert f"transactions {OLD[0].date()}: the lake does not have it" in result.stdout
    assert await counts(world) == {"transactions": 120, "product_views": 120, "cart_events": 0, "system_metrics": 0}

    await asyncio.to_thread(fill, lake, world, TODAY.date())
    await deliver(world, [view("late", OLD[1])])
    topics.set_topic(world.bootstrap, "transactions", compression__type="producer")  # made by an earlier version
    topics.set_topic(world.bootstrap, "product_views", compression__type="lz4")  # chosen by the operator
    result = await maintain("--dry-run")
    assert f"product_views {OLD[1].date()}: it has changed since the lake read it" in result.stdout
    assert f"transactions {OLD[1].date()}: 60 rows would be deleted" in result.stdout
    assert "topic transactions: 48 h, should be compressed by zstd\n" in result.stdout
    assert (await counts(world))["transactions"] == 120
    await asyncio.to_thread(fill, lake, world, TODAY.date())
    async with world.load():
        result = await maintain()
    assert result.exit_code == 0, result.output
    assert "MongoDB: " in result.stdout
    assert set((await counts(world)).values()) == {0}
    assert await world.sql(revenue) == before
    kept = {t.topic: t for t in topic_retention(Settings(world.environment()))}
    assert (kept["dead_letters"].found_ms, kept["transactions"].found_ms) == (168 * 3_600_000, 48 * 3_600_000)
    assert (kept["transactions"].compression, kept["product_views"].compression) == ("zstd", "lz4")

    # Kafka still has the records: everything can be recounted, the deleted included
    report = await world.exact()
    assert report.complete

    # late views of two deleted days: stored, and the next batch and maintenance bear them
    await deliver(world, [view("later", OLD[0]), view("latest", OLD[1])])
    await asyncio.to_thread(fill, lake, world, TODAY.date())
    assert (await maintain()).exit_code == 0
    await world.exact()

    # Kafka has deleted them too: what cannot be known is left out, the rest still agrees
    ends = await world.ledger()
    await asyncio.to_thread(topics.delete_records, world.bootstrap, ends)
    await deliver(world, [order(f"new-{number}", f"user-{number}") for number in range(20)])
    report = await world.recount()
    assert (report.mismatches, report.complete) == ([], False)
    await world.execute("UPDATE revenue_daily SET total_amount = 0 WHERE day >= current_date")
    assert not (await world.recount()).agrees
    await world.execute("UPDATE retention_progress SET deleted = deleted + 1")
    assert "counter" in (await world.recount()).kinds

    # what is gone for good is left alone by repair and replay
    day = OLD[0].date().isoformat()
    result = await asyncio.to_thread(globalmart, world, "reconcile", "--date", day, "--repair")
    assert "were deleted after their retention" in str(result.exception)
    span = ("--lake", "--from", day, "--to", day)
    result = await asyncio.to_thread(globalmart, world, "replay", *span, BATCH_LAKE=str(lake))
    assert "skipped: transactions" in result.stdout
