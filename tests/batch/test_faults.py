"""What happens around a run: stores that stop or grow, a second run, readers, a lost lake."""

import asyncio
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta
from threading import Event, Thread

import pytest
from pymongo import MongoClient

from app.errors import LakeError, LockHeldError, PublishError
from batch.sources import LAKE_TABLES
from batch.warehouse_writer import Document
from compose.embedded.stack import EmbeddedStack
from tests.batch import oracle
from tests.batch.generated import Row, Shop, make_shop
from tests.batch.nights import Nights, assert_published

_AS_OF = date(2026, 1, 2)
_GAP = timedelta(minutes=30)
Everything = dict[str, list[Document]]


def _once(word: str, meddle: Callable[[], object]) -> Callable[[str], None]:
    """A report that meddles at the first step that has the word in it."""
    pending = [meddle]

    def report(step: str) -> None:
        if word in step and pending:
            pending.pop()()

    return report


def _marts(shop: Shop, previous: dict[str, str] | None = None) -> dict[str, list[Row]]:
    return oracle.marts_of(shop, _AS_OF, _GAP, previous)


@contextmanager
def _reader(nights: Nights) -> Iterator[list[Everything]]:
    """Reads all marts again and again; every state that was ever seen, the first one first."""
    seen: list[Everything] = []
    over = Event()

    def read() -> None:
        url = nights.variables["GLOBALMART_MONGO_URL"]
        with MongoClient[Document](url, tz_aware=True) as mongo:
            reader = replace(nights, mongo=mongo)
            while not over.is_set():
                found = reader.everything()
                if found not in seen:
                    seen.append(found)

    reading = Thread(target=read)
    reading.start()
    try:
        while not seen:
            assert reading.is_alive(), "the reader failed"
            time.sleep(0.01)
        yield seen
        assert reading.is_alive(), "the reader failed"
    finally:
        over.set()
        reading.join()


def _run_while_mongodb_stops(nights: Nights, stack: EmbeddedStack) -> None:
    quick = {
        "GLOBALMART_MONGO_URL": f"{stack.mongo.url}&serverSelectionTimeoutMS=1000",
        "GLOBALMART_MONGO_CONNECT_TIMEOUT_SECONDS": "1",
    }
    impatient = replace(nights, variables={**nights.variables, **quick})
    stop = _once("customer_segments: writing", stack.mongo.kill)
    try:
        with pytest.raises(PublishError, match="the published run stays"):
            impatient.run(_AS_OF, report=stop)
    finally:
        stack.mongo.start()


async def test_readers_see_the_old_run_or_the_new_one_whatever_stops(nights: Nights, stack: EmbeddedStack) -> None:
    shop = make_shop(seed=11, visits=60)
    await nights.insert_shop(shop)
    nights.run(_AS_OF - timedelta(days=2))
    old, pointer = nights.everything(), nights.pointer
    former = {row["user_id"]: row["segment_name"] for row in old["customer_segments"]}

    _run_while_mongodb_stops(nights, stack)
    assert (nights.everything(), nights.pointer) == (old, pointer)

    def run_second() -> None:
        with pytest.raises(LockHeldError, match="another batch run holds the lock"):
            nights.run(_AS_OF)

    with _reader(nights) as seen:
        nights.run(_AS_OF, report=_once("writing", run_second))
    new = nights.everything()
    assert_published(nights, _marts(shop, former))
    assert seen[0] == old
    assert [found for found in seen if found not in (old, new)] == []
    assert [run["status"] for run in nights.log] == ["published", "killed", "published"]


async def test_rows_that_arrive_while_a_run_reads_belong_to_the_next_and_a_lost_lake_is_rebuilt(nights: Nights) -> None:
    shop = make_shop(seed=12, visits=60)
    arrived = [
        {**row, "transaction_id": f"again-{number}", "source_offset": 10_000 + number}
        for number, row in enumerate(shop.transactions)
    ]
    await nights.insert_shop(shop)

    def grow() -> None:
        asyncio.run(nights.insert(LAKE_TABLES["transactions"], arrived))

    def run() -> None:
        nights.run(_AS_OF, report=_once("transactions: ", grow))

    await asyncio.to_thread(run)
    assert_published(nights, _marts(shop))
    shop.transactions.extend(arrived)
    grown = nights.run(_AS_OF)
    assert_published(nights, _marts(shop))

    shutil.rmtree(nights.settings.general.var_dir / "lake")
    again = nights.run(_AS_OF)
    assert again.snapshot == grown.snapshot
    assert again.extracted_rows > grown.extracted_rows
    assert_published(nights, _marts(shop))


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        (
            {"GLOBALMART_POSTGRES_PORT": "1"},
            "PostgreSQL failed, .* GLOBALMART_POSTGRES_HOST, _PORT and _DATABASE .127.0.0.1:1/",
        ),
        (
            {"GLOBALMART_MONGO_URL": "mongodb://127.0.0.1:1", "GLOBALMART_MONGO_CONNECT_TIMEOUT_SECONDS": "1"},
            "MongoDB failed, .*: 127.0.0.1:1: .*refused. Start it, .* GLOBALMART_MONGO_URL",
        ),
    ],
    ids=["postgres", "mongo"],
)
def test_a_store_that_is_down_is_named_with_its_settings(nights: Nights, changes: dict[str, str], named: str) -> None:
    astray = replace(nights, variables={**nights.variables, **changes})
    with pytest.raises((LakeError, PublishError), match=named) as caught:
        astray.run(_AS_OF)
    assert "Topology" not in str(caught.value)
