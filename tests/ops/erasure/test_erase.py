"""A user is forgotten under live traffic: no store holds the id any more, every sum stays, and the recount agrees."""

import asyncio
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from itertools import count
from pathlib import Path
from typing import Any, Final

import pyarrow.parquet as pq
import pytest

from app.errors import LakeError, RecountError
from app.fraud.editions import ListEntry, RuleDesk
from app.fraud.rules import Listed, Velocity
from app.ops.replay.replay import replay_kafka
from app.published_run import visible
from app.settings import Settings
from app.topics import PRODUCT_VIEWS
from batch.adbc import batch_lock
from batch.lake import Lake
from batch.postgres_snapshot import open_snapshot
from batch.sources import LAKE_TABLES
from compose.embedded.stack import EmbeddedStack
from tests.faults.processes import ROOT
from tests.faults.world import World
from tests.ops.dead_letters.refused import deliver, globalmart, order
from tests.ops.erasure.forgotten import TODAY, USER, fill_lake, order_of_user, past, places, publish, repeated
from tests.reconcile.stream.stores import delete_head
from tests.support.waiting import PATIENCE_SECONDS
from tests.support.warehouses import Warehouse, warehouse_named

_MART_SUMS: Final = {"customer_segments": 2, "fact_sessions": 3}
_TOTALS: Final = """
SELECT (SELECT sum(total_amount) FROM transactions WHERE transaction_id ~ '^(e|big|alone|n)'),
    (SELECT count(*) FROM product_views WHERE event_id ~ '^v'),
    (SELECT count(*) FROM cart_events WHERE event_id ~ '^n?c')"""
_NAMES: Final = """
SELECT DISTINCT user_id, session_id FROM {table} WHERE {key} ~ '^(e|big|alone|n|v|c)[0-9a-z]*$' ORDER BY 2"""


@pytest.fixture
def warehouse(stack: EmbeddedStack, world: World) -> Iterator[Warehouse]:
    with warehouse_named(stack, f"dw_{world.database}") as empty:
        yield empty


def environ(world: World, lake: Path) -> dict[str, str]:
    return {"BATCH_LAKE": str(lake), "MONGO_DATABASE": f"dw_{world.database}"}


async def erase(world: World, lake: Path, *options: str) -> Any:
    arguments = ("erase-user", USER, *options)
    return await asyncio.to_thread(globalmart, world, *arguments, **environ(world, lake))


def killed_at(world: World, lake: Path, step: str) -> int:
    command = [sys.executable, "-m", "tests.ops.erasure.armed_erasure", step, USER]
    variables = os.environ | world.environment(**environ(world, lake)) | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, env=variables, cwd=ROOT, timeout=PATIENCE_SECONDS, check=False).returncode


def user_comes_again(world: World) -> AbstractAsyncContextManager[None]:
    """Repetitions and new events of the user for as long as the block runs."""
    return world.sending((repeated() for _ in count()), 0.1)


def lake_equals_postgres(world: World, lake: Path) -> bool:
    """Whether the next extract would find no day changed that it had read."""
    manifest = Lake(str(lake)).read_manifest()
    newest = max(day for days in manifest.tables.values() for day in days)  # another day may have begun
    with open_snapshot(Settings(world.environment()).postgres) as snapshot:
        prints = {source.name: snapshot.day_checksums(source, newest) for source in LAKE_TABLES.values()}
    return all(
        known.summary == prints[name][day] for name, days in manifest.tables.items() for day, known in days.items()
    )


async def test_a_user_is_forgotten_under_live_traffic(world: World, tmp_path: Path, warehouse: Warehouse) -> None:
    worker = world.worker()
    await deliver(world, world.traffic.records(1000))
    await deliver(world, past())
    lake = tmp_path / "lake"
    await asyncio.to_thread(fill_lake, world, lake)
    publish(warehouse)
    everywhere = {"postgres", "lake", "customer_segments", "fact_sessions", "batch_runs"}
    assert await places(world, lake, warehouse) == everywhere
    before = await world.sql(_TOTALS)

    result = await erase(world, lake, "--dry-run", "--json")
    assert result.exit_code == 0, result.output
    counted = json.loads(result.stdout)
    assert (counted["rows"]["transactions"], counted["rows"]["product_views"]) == (8, 1500)
    assert (counted["rows"]["dead_letters"], counted["documents"]) == (4, 2 + 4)
    assert await places(world, lake, warehouse) == everywhere
    assert lake_equals_postgres(world, lake)
    with batch_lock(Settings(world.environment()).postgres):
        assert (await erase(world, lake)).exit_code == 75

    # the very same counts, once
    result = await erase(world, lake, "--json")
    assert result.exit_code == 0, result.output
    done = json.loads(result.stdout)
    assert USER not in result.stdout
    assert done["rows"] == counted["rows"]
    assert (done["lake_files"], done["documents"]) == (counted["lake_files"], 6)
    assert await places(world, lake, warehouse) == set()
    assert await world.sql(_TOTALS) == before
    assert lake_equals_postgres(world, lake)
    topics = {r["where"] for r in done["remaining"] if r["at_the_latest"]}
    assert topics == {
        f"Kafka topic {t}" for t in ("transactions", "product_views", "cart_events", "anomalies", "dead_letters")
    }
    assert "backups" in {r["where"] for r in done["remaining"]}
    (pointer,) = warehouse.mongo["published_run"].find()
    assert pointer["erasures"] == 1
    for mart, documents in _MART_SUMS.items():
        where = visible(2) if mart == "fact_sessions" else {}
        collection = warehouse.mongo[pointer["marts"][mart]["collection"]]
        assert collection.count_documents(where) == documents

    # later events are the pseudonym's, and what they raise counts those before
    await deliver(world, [*repeated(), *(order_of_user(f"n-{n}") for n in range(2))])
    assert await places(world, lake, warehouse) == set()
    names = await world.sql(_NAMES.format(table="transactions", key="transaction_id"))
    assert len({row["user_id"] for row in names}) == 1
    assert [row["session_id"] for row in names][1:] == [None]
    assert names[0]["user_id"].startswith("erased-")
    report = await world.exact()
    assert report.topics[PRODUCT_VIEWS].found["conflicting"] == 15
    rapid = await world.sql(
        "SELECT count(*) FROM transaction_anomalies WHERE user_id = $1 AND anomaly_type = 'rapid_transactions'",
        names[0]["user_id"],
    )
    assert rapid[0][0] >= 8

    # rows restored from Kafka have the pseudonym, and a second erasure finds nothing
    await world.execute("DELETE FROM transactions WHERE transaction_id IN ('e0', 'alone')")
    await world.execute("DELETE FROM cart_events WHERE event_id = 'c1'")
    restored, _ = await replay_kafka(Settings(world.environment()), TODAY, TODAY)
    assert restored.restored.total() == 3
    assert await places(world, lake, warehouse) == set()
    result = await erase(world, lake)
    assert "transactions: 0 rows changed" in result.stdout
    await world.exact()
    assert worker.exit_code is None, worker.tail()


async def test_a_lake_that_is_elsewhere_is_not_taken_for_an_empty_one(
    world: World, tmp_path: Path, warehouse: Warehouse
) -> None:
    """A batch in a container fills a lake this machine does not see; the user would stay in it."""
    lake = tmp_path / "elsewhere"
    result = await erase(world, lake, "--dry-run")
    assert result.exit_code == 0, "no batch has run, so there is none: " + result.output
    publish(warehouse)
    for options in (("--dry-run",), ()):
        result = await erase(world, lake, *options)
        assert isinstance(result.exception, LakeError)
        assert "GLOBALMART_BATCH_LAKE" in str(result.exception)
        assert "docker exec -i globalmart-maintain" in str(result.exception)
    assert not lake.exists()
    assert await world.sql("SELECT 1 FROM erased_users") == []


async def test_a_killed_erasure_is_finished_by_the_next(world: World, tmp_path: Path, warehouse: Warehouse) -> None:
    worker = world.worker()
    earlier = past()
    await deliver(world, earlier)
    lake = tmp_path / "lake"
    await asyncio.to_thread(fill_lake, world, lake)
    publish(warehouse)
    async with user_comes_again(world), world.load(of=100):
        for step in ("transactions", "some product_views", "lake file", "document"):
            assert await asyncio.to_thread(killed_at, world, lake, step) == -9
            if step == "some product_views":
                with pytest.raises(RecountError, match="is not finished"):
                    await world.recount()
                world.sender.send(earlier)
                await world.progress(2 * len(earlier))
        result = await erase(world, lake)
        assert result.exit_code == 0, result.output
    await world.exact()
    assert await places(world, lake, warehouse) == set()
    for table, key in (("product_views", "event_id"), ("cart_events", "event_id")):
        names = await world.sql(_NAMES.format(table=table, key=key))
        assert len(names) == 1
    assert warehouse.mongo["customer_segments__2"].count_documents({}) == 2
    assert warehouse.mongo["fact_sessions__rows"].count_documents(visible(2)) == 3
    history = pq.read_table(next((lake / "segment_history").rglob("*.parquet")), partitioning=None)
    assert history.num_rows == 2
    assert not list(lake.rglob("*.crc"))
    assert worker.exit_code is None, worker.tail()


_JUDGED_NAMES: Final = """
SELECT 'anomaly' AS what, rule_id, user_id, suppressed FROM transaction_anomalies WHERE rule_id IN ('fast', 'stolen')
UNION ALL SELECT 'shadow', rule_id, user_id, false FROM shadow_anomalies
UNION ALL SELECT 'verdict', '', user_id, false FROM verdicts"""


async def desk_of_the_user(world: World) -> None:
    """Lists with the user and with a card, and a rule whose repeats are suppressed."""
    watched = Listed(id="watched", name="Watched", field="user_id", list="watched", state="shadow")
    stolen = Listed(id="stolen", name="Stolen", field="card", list="cards", effect="block", state="active")
    shared = Listed(id="shared", name="Shared", field="session_id", list="cards", state="shadow")
    fast = Velocity(id="fast", name="Fast", more_than=1, seconds=86_400, cooldown_minutes=9_000, state="active")
    owner = await world.owner()
    try:
        desk = RuleDesk(owner, "ann")
        for name, values in (("watched", ["ada", USER]), ("cards", ["c1", "s1"])):
            await desk.make_list(name, "made")
            await desk.put_entries(name, [ListEntry(value) for value in values], "added")
        for rule in (watched, stolen, shared, fast):
            await desk.set_rule(rule, "made")
    finally:
        await owner.close()


async def judged_names(world: World) -> Counter[tuple[str, str, bool, bool]]:
    """What was raised of whom: (what, rule, whether it is the user's, whether it repeats another)."""
    rows = await world.sql(_JUDGED_NAMES)
    return Counter((row[0], row[1], row[2] in (USER,) or row[2].startswith("erased-"), row[3]) for row in rows)


async def test_what_a_user_raised_is_renamed_and_rules_go_on_as_before(
    world: World, tmp_path: Path, warehouse: Warehouse
) -> None:
    """Cards and sessions are on lists as they were sent, the user under the new name; repeats stay repeats."""
    worker = world.worker()
    await desk_of_the_user(world)
    orders = [order_of_user(f"e{number}", card="c1", session_id="s1") for number in range(3)]
    await deliver(world, [*orders, order_of_user("other", card="c2"), order("a", card="c1"), order("b", card="c2")])
    expected: Counter[tuple[str, str, bool, bool]] = Counter(
        {
            ("anomaly", "stolen", True, False): 3,
            ("anomaly", "stolen", False, False): 1,
            ("anomaly", "fast", True, False): 1,
            ("anomaly", "fast", True, True): 2,
            ("anomaly", "fast", False, False): 1,
            ("shadow", "watched", True, False): 4,
            ("shadow", "watched", False, False): 2,
            ("shadow", "shared", True, False): 3,
            ("verdict", "", True, False): 4,
            ("verdict", "", False, False): 2,
        }
    )
    assert await judged_names(world) == expected

    result = await erase(world, tmp_path / "lake", "--dry-run", "--json")
    counted = json.loads(result.stdout)["rows"]
    judged = {"transaction_anomalies": 6, "verdicts": 4, "shadow_anomalies": 7, "fraud_list_entries": 1}
    assert {name: counted[name] for name in judged} == judged
    async with user_comes_again(world):
        result = await erase(world, tmp_path / "lake", "--json")
    assert result.exit_code == 0, result.output
    assert {name: rows for name, rows in json.loads(result.stdout)["rows"].items() if name in judged} != {}
    await world.exact()
    assert await places(world, tmp_path / "lake", warehouse) == set()

    before = await judged_names(world)
    await deliver(world, [order_of_user("later", card="c1", session_id="s1"), order("c", card="c2")])
    assert await judged_names(world) - before == Counter(
        {
            ("anomaly", "stolen", True, False): 1,
            ("anomaly", "fast", True, True): 1,
            ("anomaly", "fast", False, True): 1,
            ("shadow", "watched", True, False): 1,
            ("shadow", "watched", False, False): 1,
            ("shadow", "shared", True, False): 1,
            ("verdict", "", True, False): 1,
            ("verdict", "", False, False): 1,
        }
    )
    await world.exact()

    # Kafka forgets what was sent: what the lists said of it is only known from what is stored
    for (topic, partition), end in (await world.ledger()).items():
        await asyncio.to_thread(delete_head, world.bootstrap, topic, partition, end)
    report = await world.recount()
    assert report.agrees, report.mismatches
    assert report.lost_ranges
    await world.execute("UPDATE verdicts SET risk_score = risk_score - 1 WHERE transaction_id = 'later'")
    assert (await world.recount()).kinds["verdict"] == 1
    assert worker.exit_code is None, worker.tail()
