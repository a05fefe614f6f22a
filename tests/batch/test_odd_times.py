"""Times no shop has, and every one that PostgreSQL may hold: a night over them is published, exact to the cent."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pytest

from api.application import create_app
from app.errors import LakeError
from app.topics import TRANSACTIONS
from batch.extract import extract
from batch.lake import Lake
from batch.postgres_snapshot import open_snapshot
from batch.sources import LAKE_TABLES
from compose.embedded.stack import EmbeddedStack
from tests.api.serving import answered, client_of
from tests.batch import oracle
from tests.batch.generated import Row, Shop, make_shop
from tests.batch.nights import Nights, assert_published, plain_environment
from tests.faults import topics
from tests.faults.load import Sent
from tests.faults.world import World

_AS_OF: Final = date(2026, 1, 2)
_LAST: Final = date(9999, 12, 31)
_GAP: Final = timedelta(minutes=30)
#: Java's calendar has no 1582-10-05 to 14 and pads no year; before 1900 time zones had other offsets.
PAST: Final = (
    "0001-01-01T00:00:00.000001",
    "0001-01-01T05:00:00",
    "0001-12-31T23:59:59.999999",
    "0025-11-29T10:00:00",
    "0099-12-31T23:30:00",
    "0999-12-31T23:59:59",
    "1000-01-01T00:00:00",
    "1500-02-28T12:00:00",
    "1582-10-04T23:59:59",
    "1582-10-05T00:00:00",
    "1582-10-10T10:10:10",
    "1582-10-14T23:59:59.999999",
    "1582-10-15T00:00:00",
    "1600-02-29T12:00:00",
    "1677-09-21T00:12:43",
    "1752-09-10T00:00:00",
    "1883-11-18T12:00:00",
    "1899-12-30T00:00:00",
    "1900-01-01T00:00:00",
    "1901-12-13T20:45:51",
    "1969-12-31T23:59:59.999999",
    "1970-01-01T00:00:00",
)
FUTURE: Final = (
    "2038-01-19T03:14:08",
    "2106-02-07T06:28:16",
    "2262-04-11T23:47:17",
    "2400-02-29T00:00:00",
    "9999-12-26T00:00:00",
    "9999-12-31T23:59:59.999998",
)


def odd_shop(times: tuple[str, ...]) -> Shop:
    """A small shop with two orders, a view and a cart event more at each of the times."""
    shop = make_shop(seed=21, visits=40)
    for number, text in enumerate(times):
        _add_events(shop, f"odd-{number}", datetime.fromisoformat(text).replace(tzinfo=UTC))
    for rows in (shop.transactions, shop.product_views, shop.cart_events):
        for offset, row in enumerate(rows):
            row["source_offset"] = offset
    return shop


def _add_events(shop: Shop, name: str, moment: datetime) -> None:
    event: Row = {
        "user_id": f"user-{name}",
        "session_id": name,
        "timestamp": moment,
        "product_id": "p1",
        "category": "Books",
        "country": "USA",
    }
    order = {"payment_method": None, "quantity": 2, "total_amount": Decimal("12.34")}
    shop.transactions.append({**event, **order, "transaction_id": name})
    lone = {**event, **order, "session_id": None, "user_id": "lone", "country": None}
    shop.transactions.append({**lone, "transaction_id": f"{name}-lone"})
    shop.product_views.append({**event, "event_id": name})
    shop.cart_events.append({**event, "event_id": name, "action": "add", "quantity": 1})


async def _assert_the_api_reads_it(nights: Nights, found: Mapping[str, Sequence[Row]]) -> None:
    """Every day and period of the rows and of the documents, and a customer and an order of each time."""
    settings = nights.settings
    rows = await nights.database.fetch("SELECT transaction_id, user_id, timestamp FROM transactions")
    async with client_of(create_app(settings)) as client:
        sales = await answered(client, "/api/v1/sales/metrics")
        stored = await nights.database.fetch("SELECT sum(total_amount) FROM transactions")
        assert Decimal(sales["total_revenue"]) == stored[0][0]
        lines = await answered(client, "/api/v1/sales/breakdown", group_by="day")
        days = {row["timestamp"].date().isoformat() for row in rows}
        assert {line["key"] for line in lines["groups"]} == days
        for kind in ("daily", "weekly", "monthly"):
            path, page = "/api/v1/trends", {"period_type": kind, "limit": 1000}
            trends = (await answered(client, path, **page))["trends"]
            wanted = [row for row in found["sales_trends"] if row["period_type"] == kind and row["country"] is None]
            wanted.sort(key=lambda row: row["period_start"])
            assert [(one["period"], one["revenue"], one["partial"]) for one in trends] == [
                (row["period"], row["revenue"], row["partial"]) for row in wanted
            ]
        for row in rows:
            if row["transaction_id"].startswith("odd-"):
                await answered(client, f"/api/v1/transactions/{row['transaction_id']}")
                await answered(client, f"/api/v1/customers/{row['user_id']}")
        for path in ("funnel", "products/performance", "anomalies", "operations", "dimensions"):
            await answered(client, f"/api/v1/{path}")
        for start in ("0001-01-01", "1582-10-10", "9999-12-31"):
            period = {"start_date": start, "end_date": start}
            for path in ("sales/metrics", "sales/breakdown", "funnel", "trends", "anomalies"):
                await answered(client, f"/api/v1/{path}", **period)


@pytest.fixture
def world(stack: EmbeddedStack, nights: Nights, tmp_path: Path) -> Iterator[World]:
    """Workers that write into the database of the nights."""
    topics.recreate_topics(stack.kafka.bootstrap)
    world = World(stack, tmp_path, nights.database.name)
    yield world
    world.close()


def _records(shop: Shop) -> Iterator[Sent]:
    for topic, source in LAKE_TABLES.items():
        for row in shop.rows(source):
            fields = {name: value for name, value in row.items() if name != "source_offset"}
            value = json.dumps(fields, default=_as_text).encode()
            yield Sent(topic, row["user_id"].encode(), value)


def _as_text(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


async def test_a_night_over_what_the_worker_has_stored_of_odd_times_is_published(nights: Nights, world: World) -> None:
    shop = odd_shop(PAST)
    world.sender.send(list(_records(shop)))
    world.sender.flush()
    world.worker(STREAM_EARLIEST_TIMESTAMP="0001-01-01")
    await world.consumed(120.0)
    stored = await nights.database.fetch("SELECT count(*), sum(total_amount) FROM transactions")
    assert tuple(stored[0]) == (len(shop.transactions), sum(row["total_amount"] for row in shop.transactions))
    nights.run(_AS_OF)
    found = assert_published(nights, oracle.marts_of(shop, _AS_OF, _GAP))
    days = {row["period"] for row in found["sales_trends"] if row["period_type"] == "daily"}
    assert {"0001-01-01", "0025-11-29", "1582-10-05", "1582-10-10", "1582-10-14"} <= days
    await _assert_the_api_reads_it(nights, found)


async def test_a_broken_lake_is_healed_by_the_next_night_up_to_the_end_of_the_calendar(nights: Nights) -> None:
    """The lake holds the days of a night that failed after its extract, and PostgreSQL no longer one of them."""
    shop = odd_shop(PAST + FUTURE)
    await nights.insert_shop(shop)
    lake = Lake(str(nights.settings.general.var_dir / "lake"))
    with open_snapshot(nights.settings.postgres) as snapshot:
        extract(snapshot, lake, _AS_OF, group_rows=200)
    assert date(25, 11, 29) in lake.read_manifest().days(TRANSACTIONS)
    await nights.execute(
        "DELETE FROM transactions WHERE timestamp < '0026-01-01';DELETE FROM sales_daily WHERE day < '0026-01-01'"
    )
    nights.run(_AS_OF)
    first = assert_published(nights, oracle.marts_of(shop, _AS_OF, _GAP))
    nights.run(_LAST)
    former = {row["user_id"]: row["segment_name"] for row in first["customer_segments"]}
    today = nights.log[-1]["snapshot_taken"].date()
    assert_published(nights, oracle.marts_of(shop, _LAST, _GAP, former, today))


@pytest.mark.timeout(1800)
async def test_the_official_connectors_read_and_write_the_same_times(nights: Nights) -> None:
    """They speak Java's own types, whose calendar is another before 1582-10-15."""
    shop = odd_shop(PAST)
    await nights.insert_shop(shop)
    connectors = {"GLOBALMART_BATCH_READER": "jdbc", "GLOBALMART_BATCH_WRITER": "connector"}
    done = subprocess.run(
        [sys.executable, "-m", "batch", "nightly", "--as-of", str(_AS_OF)],
        env=plain_environment(os.environ, {**nights.variables, **connectors}),
        capture_output=True,
        text=True,
        timeout=1500,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-20_000:]
    assert_published(nights, oracle.marts_of(shop, _AS_OF, _GAP))


@pytest.mark.parametrize(
    ("moment", "day"), [("0044-03-15 12:00:00+00 BC", "0044-03-15 BC"), ("-infinity", "-infinity")]
)
async def test_what_lies_outside_the_calendar_is_named(nights: Nights, moment: str, day: str) -> None:
    shop = odd_shop(())
    await nights.insert_shop(shop)
    nights.run(_AS_OF)
    pointer = nights.pointer
    await nights.execute(f"UPDATE product_views SET timestamp = '{moment}' WHERE event_id = 's1-0'")
    await nights.execute(
        "INSERT INTO product_views SELECT 'by hand', user_id, session_id, "
        f"'{moment}', product_id, category, country, 0, 10000 FROM product_views LIMIT 1"
    )
    with pytest.raises(LakeError, match=f"product_views .* of the day {day}, which lies outside"):
        nights.run(_AS_OF)
    assert nights.pointer == pointer
