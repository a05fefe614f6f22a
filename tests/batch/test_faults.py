"""What happens around a run: stores that stop or grow, a second run, readers, a lost lake."""

import asyncio
import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta

import pytest
from pymongo import MongoClient

from app.errors import LockHeldError, PublishError
from batch.sources import TRANSACTIONS
from batch.warehouse import Document
from compose.embedded.stack import EmbeddedStack
from tests.batch import oracle
from tests.batch.generated import Row, Shop, make_shop
from tests.batch.nights import Nights, assert_published

_AS_OF = date(2026, 1, 2)
_GAP = timedelta(minutes=30)


def _once(word: str, meddle: Callable[[], object]) -> Callable[[str], None]:
    """A report that meddles at the first step that has the word in it."""
    pending = [meddle]

    def report(step: str) -> None:
        if word in step and pending:
            pending.pop()()

    return report


def _marts(shop: Shop, previous: dict[str, str] | None = None) -> dict[str, list[Row]]:
    return oracle.marts_of(shop, _AS_OF, _GAP, previous)


async def test_mongodb_that_stops_while_it_is_written_keeps_the_old_run(
    nights: Nights, mongo_stack: EmbeddedStack
) -> None:
    shop = make_shop(seed=11, visits=60)
    await nights.insert_shop(shop)
    earlier = _AS_OF - timedelta(days=2)
    nights.run(earlier)
    published, pointer = nights.everything(), nights.pointer

    quick = {
        "GLOBALMART_MONGO_URL": f"{mongo_stack.mongo.url}&serverSelectionTimeoutMS=1000",
        "GLOBALMART_MONGO_CONNECT_TIMEOUT_SECONDS": "1",
    }
    impatient = replace(nights, variables={**nights.variables, **quick})
    try:
        with pytest.raises(PublishError, match="the published run stays"):
            impatient.run(
                _AS_OF, report=_once("customer_segments: writing", mongo_stack.mongo.kill)
            )
    finally:
        mongo_stack.mongo.start()
    assert (nights.everything(), nights.pointer) == (published, pointer)

    former = {row["user_id"]: row["segment_name"] for row in nights.documents("customer_segments")}
    nights.run(_AS_OF)
    assert_published(nights, _marts(shop, former))
    assert [run["status"] for run in nights.log] == ["published", "killed", "published"]


async def test_rows_that_arrive_while_a_run_reads_belong_to_the_next(nights: Nights) -> None:
    shop = make_shop(seed=12, visits=60)
    arrived = [
        {**row, "transaction_id": f"again-{number}", "source_offset": 10_000 + number}
        for number, row in enumerate(shop.transactions)
    ]
    await nights.insert_shop(shop)

    def grow() -> None:
        asyncio.run(nights.insert(TRANSACTIONS, arrived))

    def run() -> None:
        nights.run(_AS_OF, report=_once("transactions: ", grow))

    await asyncio.to_thread(run)
    assert_published(nights, _marts(shop))
    nights.run(_AS_OF)
    shop.transactions.extend(arrived)
    assert_published(nights, _marts(shop))


async def test_readers_see_the_old_run_or_the_new_one_and_a_second_run_is_refused(
    nights: Nights,
) -> None:
    await nights.insert_shop(make_shop(seed=13, visits=60))
    nights.run(_AS_OF - timedelta(days=2))
    old = nights.everything()
    seen: list[dict[str, list[Document]]] = []
    over = threading.Event()

    def read() -> None:
        with MongoClient[Document](
            nights.variables["GLOBALMART_MONGO_URL"], tz_aware=True
        ) as mongo:
            reader = replace(nights, mongo=mongo)
            while not over.is_set():
                found = reader.everything()
                if found not in seen:
                    seen.append(found)

    def run_twice() -> None:
        with pytest.raises(LockHeldError, match="another batch run holds the lock"):
            nights.run(_AS_OF)

    reading = threading.Thread(target=read)
    reading.start()
    try:
        nights.run(_AS_OF, report=_once("writing", run_twice))
    finally:
        over.set()
        reading.join()
    new = nights.everything()
    assert old != new
    assert [found for found in seen if found not in (old, new)] == []
    assert seen[0] == old
    assert [run["status"] for run in nights.log] == ["published", "published"]


async def test_a_lake_that_was_lost_is_built_again_from_postgresql(nights: Nights) -> None:
    shop = make_shop(seed=14, visits=60)
    await nights.insert_shop(shop)
    first = nights.run(_AS_OF)
    published = nights.everything()
    shutil.rmtree(nights.settings.general.var_dir / "lake")
    again = nights.run(_AS_OF)
    assert (again.snapshot, again.extracted_rows) == (first.snapshot, first.extracted_rows)
    assert nights.everything() == published
