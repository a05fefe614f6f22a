"""Editions, shadows, verdicts, cool-downs and cases: what the sink stores of them, however it was computed."""

import asyncio
import json
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from random import Random
from typing import Any

import msgspec
import pytest

from app.events.topics.transactions import TransactionRow
from app.fraud.editions import ListEntry, RuleDesk
from app.fraud.rules import Amount, AnyRule, Listed, Velocity
from app.sink.anomaly_detector import AnomalyDetector
from app.sink.partition_state import PartitionState
from app.sink.tables import STORED_TOPICS
from tables.user_histories import UserHistories
from tests.fraud.kinds import EVERY_KIND
from tests.fraud.oracle import oracle
from tests.fraud.test_judging import SCREENED, orders_of
from tests.sink.chunk_slices import NOON, Sink, order, work_of
from tests.support.databases import Database
from tests.support.waiting import PATIENCE_SECONDS

JUDGED_AT = NOON + timedelta(days=3)
TRANSACTIONS = STORED_TOPICS["transactions"]
STOLEN = Listed(id="stolen_card", name="Stolen", field="card", list="stolen", effect="block", state="active")


def detector_of_tests() -> AnomalyDetector:
    """Judges at a fixed time."""
    return AnomalyDetector(lambda: JUDGED_AT)


async def change(database: Database, *rules: AnyRule, lists: Sequence[tuple[str, str]] = ()) -> int:
    """Sets the rules and the values of lists; returns the newest edition."""
    async with database.owner() as owner:
        desk = RuleDesk(owner, "ann")
        for name, value in lists:
            known = await owner.fetchval("SELECT 1 FROM fraud_lists WHERE list = $1", name)
            if not known:
                await desk.make_list(name, "made")
            await desk.put_entries(name, [ListEntry(value)], "added")
        for rule in rules:
            await desk.set_rule(rule, "changed")
        edition: int = await owner.fetchval("SELECT max(edition) FROM fraud_editions")
    return edition


async def _commit(sink: Sink, partition: int, rows: list[TransactionRow], state: PartitionState | None) -> None:
    random = Random(partition)
    while rows:
        size = random.randrange(1, 160)
        await sink.commit(work_of(rows[:size], partition=partition), state)
        rows = rows[size:]


@pytest.mark.parametrize(
    ("rules", "users"), [(EVERY_KIND, "abcde"), (SCREENED, "abcdefghijkl")], ids=["histories", "totals"]
)
async def test_memory_and_database_agree_with_a_naive_oracle(
    database: Database, rules: tuple[AnyRule, ...], users: str
) -> None:
    """Partition 0 lives on, 1 is loaded before each chunk, 2 remembers next to nothing."""
    rows = orders_of(11, users=users)
    await change(database, *rules, lists=[("stolen", "c3")])
    async with database.worker(TRANSACTIONS) as connection:
        sink = Sink(connection, detector=detector_of_tests())
        for partition in range(3):
            state = None if partition == 1 else await sink.state(partition)
            if partition == 2:
                assert state is not None and state.sales is not None
                state.sales.histories = UserHistories(3)
            renamed = [row._replace(transaction_id=f"{partition}-{row.source_offset}") for row in rows]
            await _commit(sink, partition, renamed, state)
    expected = oracle(rules, rows, {"stolen": {"c3"}})
    shadowed = {(offset, rule) for offset, rule in expected if rule != "hourly"}
    for partition in range(3):
        found = await database.fetch(
            "SELECT source_offset, rule_id FROM shadow_anomalies WHERE source_partition = $1", partition
        )
        assert set(map(tuple, found)) == shadowed
        active = await database.fetch(
            "SELECT source_offset FROM transaction_anomalies WHERE source_partition = $1 AND rule_id = 'hourly'",
            partition,
        )
        assert {(row[0], "hourly") for row in active} == expected - shadowed


async def test_a_change_judges_the_next_chunk_of_every_partition(database: Database) -> None:
    """One worker, two connections: unasked, both judge by the newest edition; its first offset is stored."""
    cheap = Amount(id="cheap", name="Cheap", above=Decimal("10.00"), state="active")
    detector = detector_of_tests()
    async with database.worker(TRANSACTIONS) as one, database.worker(TRANSACTIONS) as two:
        sinks = [Sink(connection, detector=detector) for connection in (one, two)]
        states = [await sink.state(number) for number, sink in enumerate(sinks)]
        for number, sink in enumerate(sinks):
            await sink.commit(work_of([order(0, transaction_id=f"a{number}")], partition=number), states[number])
        edition = await change(database, cheap)
        for number, sink in enumerate(sinks):
            result = await sink.commit(
                work_of([order(1, transaction_id=f"b{number}")], partition=number), states[number]
            )
            assert list(result.anomalies) == ["cheap"]
            await sink.commit(work_of([order(2, transaction_id=f"c{number}")], partition=number))
        paused = await change(database, msgspec.structs.replace(cheap, state="paused"))
        result = await sinks[0].commit(work_of([order(3, transaction_id="d0")], partition=0))
        assert list(result.anomalies) == []
    ranges = await database.fetch("SELECT partition, first_offset, edition FROM judged_from ORDER BY 1, 2")
    assert [tuple(row) for row in ranges] == [(0, 0, 1), (0, 1, edition), (0, 3, paused), (1, 0, 1), (1, 1, edition)]


@pytest.mark.parametrize("reconnects", [False, True])
async def test_a_database_that_was_restored_is_judged_by_its_own_editions(database: Database, reconnects: bool) -> None:
    """The worker lives on; the restored database knows fewer editions, or another one of the same number."""
    detector, cheap = detector_of_tests(), Amount(id="cheap", name="Cheap", above=Decimal("10.00"), state="active")
    await change(database, cheap)
    async with database.worker(TRANSACTIONS) as connection:
        sink = Sink(connection, detector=detector)
        assert list((await sink.commit(work_of([order(0)]))).anomalies) == ["cheap"]
        async with database.owner() as owner:
            for table in ("judged_from", "verdicts", "fraud_rules", "fraud_editions"):
                await owner.execute(f"DELETE FROM {table} WHERE edition > 1")
        if not reconnects:
            async with asyncio.timeout(PATIENCE_SECONDS):
                assert list((await sink.commit(work_of([order(1)]))).anomalies) == []
    if reconnects:
        await change(database, msgspec.structs.replace(cheap, above=Decimal("20.00")))
        async with database.worker(TRANSACTIONS) as connection:
            result = await Sink(connection, detector=detector).commit(work_of([order(1), order(2, amount_cents=2_001)]))
        assert [(row.source_offset) for row in result.rows] == [1, 2] and list(result.anomalies) == ["cheap"]


async def test_a_verdict_has_score_action_and_reasons(database: Database) -> None:
    await change(database, STOLEN, lists=[("stolen", "c1"), ("trusted", "ada")])
    rows = [order(0, amount_cents=900_000, quantity=12), order(1, amount_cents=900_000), order(2, card="c1"), order(3)]
    async with database.worker(TRANSACTIONS) as connection:
        await Sink(connection, detector=detector_of_tests()).commit(work_of(rows))
    verdicts = await database.fetch("SELECT * FROM verdicts ORDER BY source_offset")
    judged = [(v["source_offset"], v["risk_score"], v["action"], v["severity"], v["edition"]) for v in verdicts]
    assert judged == [(0, 70, "review", "high", 6), (1, 40, "review", "high", 6), (2, 50, "block", "medium", 6)]
    reasons = json.loads(verdicts[0]["reasons"])
    assert [(one["rule_id"], one["measure"], one["threshold"], one["weight"]) for one in reasons] == [
        ("high_value", "9000.00", "5000.00", 40),
        ("unusual_quantity", "12", "10", 30),
    ]
    cases = await database.fetch("SELECT transaction_id, status, severity, version FROM cases ORDER BY case_id")
    assert [tuple(case) for case in cases] == [
        ("t000000", "open", "high", 1),
        ("t000001", "open", "high", 1),
        ("t000002", "open", "medium", 1),
    ]


async def test_an_allow_list_keeps_other_rules_from_counting(database: Database) -> None:
    """The anomaly is stored, the order needs nobody's attention."""
    trusted = Listed(id="trusted_user", name="Trusted", field="user_id", list="trusted", effect="allow", state="active")
    await change(database, trusted, lists=[("trusted", "ada")])
    async with database.worker(TRANSACTIONS) as connection:
        result = await Sink(connection, detector=detector_of_tests()).commit(
            work_of([order(0, amount_cents=900_000), order(1)])
        )
    assert list(result.anomalies) == ["high_value"]
    (verdict,) = await database.fetch("SELECT risk_score, action, reasons FROM verdicts")
    assert (verdict["risk_score"], verdict["action"]) == (0, "allow")
    assert [one["rule_id"] for one in json.loads(verdict["reasons"])] == ["high_value", "trusted_user"]
    assert await database.fetch("SELECT 1 FROM cases") == []


@pytest.mark.parametrize("chunks", [1, 6])
async def test_repeats_within_the_cool_down_are_suppressed(database: Database, chunks: int) -> None:
    """By event time: one that counts silences those up to ten minutes after it, not those that it was silenced by."""
    rule = Velocity(id="fast", name="Fast", more_than=1, seconds=86_400, cooldown_minutes=10, state="active")
    await change(database, rule)
    minutes = [0, 1, 5, 10, 11, 12]
    rows = [order(n, timestamp=NOON + timedelta(minutes=minute)) for n, minute in enumerate(minutes)]
    async with database.worker(TRANSACTIONS) as connection:
        sink = Sink(connection, detector=detector_of_tests())
        size = len(rows) // chunks
        for first in range(0, len(rows), size):
            await sink.commit(work_of(rows[first : first + size]))
    found = await database.fetch("SELECT source_offset, suppressed FROM transaction_anomalies ORDER BY 1")
    assert [tuple(row) for row in found] == [(1, False), (2, True), (3, True), (4, False), (5, True)]
    cases = await database.fetch("SELECT transaction_id FROM cases ORDER BY case_id")
    assert [case[0] for case in cases] == ["t000001", "t000004"]


async def test_an_order_that_was_deleted_and_comes_again_opens_no_second_case(database: Database) -> None:
    async with database.worker(TRANSACTIONS) as connection:
        sink = Sink(connection, detector=detector_of_tests())
        await sink.commit(work_of([order(0, transaction_id="big", amount_cents=900_000)]))
        async with database.owner() as owner:
            await owner.execute("DELETE FROM transactions")
        await sink.commit(work_of([order(1, transaction_id="big", amount_cents=900_000)]))
    counts: list[Any] = await database.fetch("SELECT (SELECT count(*) FROM verdicts), (SELECT count(*) FROM cases)")
    assert tuple(counts[0]) == (1, 1)
