"""The recount judges like the fraud desk, though neither knows the other's code: every kind, many editions."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from app.domain.timestamps import EPOCH, MICROSECOND
from app.events.topics.transactions import TransactionRow
from app.fraud.rules import Amount, AnyRule, Listed, definition_of
from app.reconcile.stream.edition_records import Editions, Entry, Judged, RuleVersion, editions_of, wrong_ranges
from app.reconcile.stream.expected_store import Verdict
from app.reconcile.stream.judged_again import JudgedAgain, Judgement, Known, Order
from app.reconcile.stream.snapshot import Counted, open_snapshot
from app.sink.anomaly_detector import AnomalyDetector
from app.sink.tables import STORED_TOPICS
from tests.fraud.edits import Editor
from tests.fraud.kinds import EVERY_KIND
from tests.fraud.oracle import oracle
from tests.fraud.test_judging import orders_of
from tests.sink.chunk_slices import NOON, Sink, order, work_of
from tests.support.databases import Database, database

__all__ = ["database"]
TRANSACTIONS = STORED_TOPICS["transactions"]
VALUES: dict[str, list[str]] = {"stolen": ["c3", "c1", "c2"], "trusted": list("abcde"), "seen": ["s2"]}


def versions(*rules: AnyRule, edition: int = 1, version: int = 1) -> list[RuleVersion]:
    """Rules as the recount reads them."""
    return [
        RuleVersion(rule.id, version, edition, rank, json.loads(definition_of(rule), parse_float=Decimal))
        for rank, rule in enumerate(rules)
    ]


def as_order(row: TransactionRow, sent: TransactionRow | None = None, *, known: bool = True) -> Order:
    """An order as the recount has it."""
    fields = (row._asdict(), (sent or row)._asdict())
    for one in fields:
        one["total_amount"] = (Decimal(one["amount_cents"]) / 100).quantize(Decimal("0.01"))
    time_us = (row.timestamp - EPOCH) // MICROSECOND
    return Order(0, row.source_offset, time_us, fields[0], fields[1] if known else None)


def judged(editions: Editions, orders: list[Order], known: Known | None = None) -> list[Judgement]:
    """What is expected of each."""
    judge = JudgedAgain(0, editions, known)
    return [judge.judge(one) for one in orders]


@pytest.mark.parametrize("seed", range(6))
def test_every_kind_agrees_with_a_naive_oracle(seed: int) -> None:
    rows = orders_of(seed)
    editions = Editions({1: (30, 80)}, versions(*EVERY_KIND), {("stolen", "c3"): [Entry(1, True, None)]})
    found = {
        (row.source_offset, one[1])
        for row, judgement in zip(rows, judged(editions, [as_order(row) for row in rows]), strict=True)
        for one in (*judgement.anomalies, *judgement.shadows)
    }
    assert found == oracle(EVERY_KIND, rows, {"stolen": {"c3"}})


_STORED = """
SELECT t.source_offset AS at, a.anomaly_type, a.anomaly_score, a.threshold, a.description, a.rule_version, a.severity,
    a.suppressed
FROM transaction_anomalies a JOIN transactions t USING (transaction_id) ORDER BY 1, 2"""
_SHADOWS = """
SELECT source_offset, rule_id, rule_version, anomaly_score, measure, threshold, description FROM shadow_anomalies
ORDER BY 1, 2"""
_VERDICTS = """
SELECT v.source_offset, edition, risk_score, action, v.severity, reasons, case_id IS NOT NULL AS opens
FROM verdicts v LEFT JOIN cases USING (transaction_id) ORDER BY 1"""


@pytest.mark.parametrize("seed", range(4))
async def test_editions_of_every_kind_are_judged_as_the_worker_did(database: Database, seed: int) -> None:
    """Rules, lists and thresholds change between chunks; every column of anomaly, shadow, verdict agrees."""
    random = Random(seed)
    rows = [row._replace(session_id=random.choice(["s1", "s1", "s2", None])) for row in orders_of(seed)]
    async with database.worker(TRANSACTIONS) as connection:
        sink = Sink(connection, detector=AnomalyDetector(lambda: datetime.now(UTC)))
        state = await sink.state(0)
        editor = Editor(seed, VALUES, NOON + timedelta(days=1))
        async with database.owner() as owner:
            await editor.begin(owner)
        rest = rows
        while rest:
            async with database.owner() as owner:
                for _ in range(3):
                    await editor.change(owner)
            size = random.randrange(1, 30)
            await sink.commit(work_of(rest[:size]), state)
            rest = rest[size:]
    async with open_snapshot(database.settings.postgres) as snapshot:
        editions = await snapshot.editions()
    assert wrong_ranges(editions, {("transactions", 0): len(rows)}) == []
    found = judged(editions, [as_order(row) for row in rows])
    anomalies = [
        (one.offset, one.anomaly_type, Decimal(one.score), Decimal(one.threshold), *one[5:6], *one[8:11])
        for judgement in found
        for one in sorted(judgement.anomalies, key=lambda one: one.anomaly_type)
    ]
    stored = await database.fetch(_STORED)
    assert [tuple(row) for row in stored] == anomalies
    assert {row["suppressed"] for row in stored} == {True, False}
    shadows = [
        (one.offset, one.rule_id, one.rule_version, *map(Decimal, (one.score, one.measure, one.threshold)), one[8])
        for judgement in found
        for one in sorted(judgement.shadows, key=lambda one: one.rule_id)
    ]
    assert [tuple(row) for row in await database.fetch(_SHADOWS)] == shadows
    verdicts = [_plain(one) for judgement in found for one in judgement.verdicts]
    kept = [(*row[:5], json.loads(row[5]), row[6]) for row in await database.fetch(_VERDICTS)]
    assert kept == verdicts
    assert {one[3] for one in kept} == {"allow", "review", "block"}


def _plain(one: Verdict) -> tuple[Any, ...]:
    return (one.offset, one.edition, one.risk_score, one.action, one.severity, json.loads(one.reasons), one.opens_case)


def test_lists_are_those_of_the_edition_and_entries_expire_by_event_time() -> None:
    rule = Listed(id="stolen", name="Stolen", field="card", list="stolen")
    expires_us = (NOON - EPOCH) // MICROSECOND
    entries = {
        ("stolen", "c1"): [Entry(1, True, None), Entry(3, False, None)],
        ("stolen", "c2"): [Entry(2, True, expires_us)],
    }
    ranges = {0: [Judged(0, 1), Judged(2, 2), Judged(4, 3)]}
    editions = Editions({1: (30, 80), 2: (30, 80), 3: (30, 80)}, versions(rule), entries, ranges)
    rows = [order(n, card=card) for n, card in enumerate(("c1", "c2", "c1", "c2", "c1", "c2"))]
    rows[5] = rows[5]._replace(timestamp=NOON - timedelta(microseconds=1))
    hits = [bool(judgement.shadows) for judgement in judged(editions, [as_order(row) for row in rows])]
    assert hits == [True, False, True, False, False, True]


def test_what_was_sent_is_compared_with_lists_and_what_nobody_knows_is_taken_as_stored() -> None:
    rules = (
        Listed(id="stolen", name="Stolen", field="card", list="stolen"),
        Listed(id="users", name="Users", field="user_id", list="stolen"),
    )
    entries = {("stolen", name): [Entry(1, True, None)] for name in ("c1", "erased-1")}
    editions = Editions({1: (30, 80)}, versions(*rules), entries)
    assert editions.compare_what_was_sent == ["stolen"]
    stored = order(0, user_id="erased-1", card="erased-2")
    sent = order(0, user_id="erika", card="c1")
    for one, listed, expected in (
        (as_order(stored, sent), frozenset(), ["stolen", "users"]),
        (as_order(sent, stored), frozenset(), []),
        (as_order(stored, known=False), frozenset(), ["users"]),
        (as_order(stored, known=False), frozenset({("t000000", "stolen")}), ["stolen", "users"]),
    ):
        (found,) = judged(editions, [one], Known(listed))
        assert [shadow.rule_id for shadow in found.shadows] == expected


def test_before_what_was_deleted_the_stored_anomalies_suppress() -> None:
    """Of two orders before the bound the recount would count the first; stored is that the second did."""
    rule = Amount(id="large", name="Large", above=Decimal("1.00"), cooldown_minutes=10, state="active")
    editions = Editions({1: (30, 80)}, versions(rule), {}, {0: [Judged(0, 1)]})
    minutes = (0, 6, 11, 15)
    orders = [as_order(order(n, timestamp=NOON + timedelta(minutes=minute))) for n, minute in enumerate(minutes)]
    start_us = orders[0].time_us

    def suppressed(known: Known | None) -> list[bool]:
        return [one.anomalies[0].suppressed for one in judged(editions, orders, known)]

    assert suppressed(None) == [False, True, False, True]
    stored = [Counted(1, "ada", "large", orders[1].time_us)]
    assert suppressed(Known(counted={0: stored}, counted_until_us=start_us + 600_000_000))[2:] == [True, True]
    later = [Counted(9, "ada", "large", orders[1].time_us)]
    assert suppressed(Known(counted={0: later}, counted_until_us=start_us + 600_000_000))[2:] == [False, True]


def test_ranges_rise_in_offset_and_edition_and_name_editions_that_exist() -> None:
    rows = [("transactions", 0, 0, 1), ("transactions", 0, 5, 3), ("transactions", 0, 9, 2), ("transactions", 1, 7, 4)]
    editions = editions_of([(1, 30, 80), (2, 30, 80), (3, 30, 80)], [], [], rows)
    assert wrong_ranges(editions, {("transactions", 0): 10, ("transactions", 1): 7}) == [
        "transactions[0]@9: edition 2 follows 3",
        "transactions[1]@7: there is no edition 4",
        "transactions[1]@7: edition 4 begins beyond the ledger",
    ]
