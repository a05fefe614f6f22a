"""A shop with one user to forget, and a search for the id in everything that is stored."""

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
from bson import encode

from app.ops.backup.pg_tools import program, run
from app.settings import Settings
from app.topics import CART_EVENTS, PRODUCT_VIEWS, TRANSACTIONS
from batch.extract import extract
from batch.lake import Lake
from batch.postgres_snapshot import open_snapshot
from tests.faults.load import Sent
from tests.faults.world import World
from tests.ops.dead_letters.refused import order
from tests.support.warehouses import Warehouse

USER: Final = "erika-4711"
SESSION: Final = "session-of-erika"
TODAY: Final = datetime.now(UTC).date()
_NUMBERS: Final = count(1)


def order_of_user(name: str, **changes: Any) -> Sent:
    """An order of a session of the user."""
    return order(name, USER, **({"session_id": SESSION} | changes))


def click(topic: str, name: str, **changes: Any) -> Sent:
    """A page seen, or a change of the cart."""
    event = {
        "event_id": name,
        "user_id": USER,
        "session_id": SESSION,
        "product_id": "p",
        "timestamp": datetime.now(UTC).isoformat(),
        "action": "add",
        "quantity": 1,
    } | changes
    return Sent(topic, USER.encode(), json.dumps(event).encode())


def past() -> list[Sent]:
    """What the user did: eight quick orders, one of them large, one without a session; clicks; refused records."""
    orders = [order_of_user(f"e{number}") for number in range(6)]
    orders += [order_of_user("big", total_amount="7000.00"), order_of_user("alone", session_id=None)]
    clicks = [click(PRODUCT_VIEWS, f"v{number}") for number in range(1500)]
    clicks += [click(CART_EVENTS, f"c{number}") for number in range(3)]
    return [*orders, *clicks, *refused()]


def refused() -> list[Sent]:
    """RejectedRecord records: one that can be read, two that cannot, one under somebody else's key."""
    name = next(_NUMBERS)
    return [
        order_of_user(f"words{name}", total_amount="ten"),
        Sent(TRANSACTIONS, USER.encode(), b'{"transaction_id": \xff'),
        Sent(TRANSACTIONS, b"k", b'{"user_id": "erika-4711", broken'),
        order(f"mallory{name}", USER, key="mallory"),
    ]


def repeated() -> list[Sent]:
    """The user comes again: repetitions, new events, refused ones."""
    clicks = [click(PRODUCT_VIEWS, f"v{number}") for number in range(0, 1500, 100)]
    fresh = [order_of_user(f"n{next(_NUMBERS)}") for _ in range(3)]
    clicks.append(click(CART_EVENTS, f"nc{next(_NUMBERS)}"))
    return [*(order_of_user(f"e{n}", total_amount="11.00") for n in range(2)), *fresh, *clicks, *refused()]


def fill_lake(world: World, folder: Path) -> None:
    """What the batch reads first, and a run's segments as Spark leaves them."""
    lake = Lake(str(folder))
    with open_snapshot(Settings(world.environment()).postgres) as snapshot:
        extract(snapshot, lake, TODAY + timedelta(days=1), group_rows=100)
    history = folder / "segment_history" / "as_of=2026-01-01" / "run"
    history.mkdir(parents=True)
    rows = pa.table({"user_id": [USER, "ada"], "segment_name": ["Lost", "Lost"]})
    pq.write_table(rows, history / "part-0.parquet")
    (history / ".part-0.parquet.crc").write_bytes(b"of the old bytes")


def publish(warehouse: Warehouse) -> None:
    """Two runs with the user in both."""
    start = datetime(2026, 1, 1, 8, 0, 0, 5, tzinfo=UTC)
    derived = f"{USER}@{start:%Y-%m-%dT%H:%M:%S.%f}Z"
    sessions = [
        {"session_id": name, "user_id": user, "started_at": start, "revenue": Decimal("1.50")}
        for name, user in ((SESSION, USER), (derived, USER), ("other", "ada"))
    ]
    customers = [{"user_id": user, "country": "UK", "monetary": Decimal("3.10")} for user in (USER, "ada")]
    for day in (1, 2):
        warehouse.publish(date(2026, 1, day), customer_segments=customers, fact_sessions=sessions)
    warehouse.mongo["batch_runs"].update_one({}, {"$set": {"status": "failed", "error": f"rows are wrong: {USER}"}})


async def places(world: World, folder: Path, warehouse: Warehouse) -> set[str]:
    """Where the id, or that of the user's session, is still to be read."""
    names = (USER.encode(), SESSION.encode())
    major = int((await world.sql("SHOW server_version_num"))[0][0]) // 10_000
    dump = await asyncio.to_thread(_dumped, world, major, folder.parent / "dump.sql")
    contents = [("postgres", dump), *_contents(folder, warehouse)]
    return {place for place, content in contents if _any(names, content)}


def _contents(folder: Path, warehouse: Warehouse) -> Iterator[tuple[str, bytes]]:
    for path in folder.rglob("*"):
        if path.suffix == ".parquet":
            yield ("lake", path.read_bytes() + str(pq.read_table(path, partitioning=None).to_pylist()).encode())
    for name in warehouse.mongo.list_collection_names(filter={"type": "collection"}):
        for document in warehouse.mongo[name].find():
            yield name.split("__")[0], encode(document)


def _dumped(world: World, major: int, file: Path) -> bytes:
    postgres = Settings(world.environment()).postgres
    run([program("pg_dump", major, postgres), "--data-only", f"--file={file}", postgres.database], postgres)
    return file.read_bytes()


def _any(names: tuple[bytes, ...], content: bytes) -> bool:
    """As text, and as PostgreSQL writes bytes."""
    return any(name in content or name.hex().encode() in content for name in names)
