"""A test on history over all cores: its figures, its examples, and the lake for what retention took."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from app.domain.timestamps import midnight
from app.errors import LakeError
from app.events.topics.transactions import TransactionRow
from app.fraud.backtest.question import Question
from app.fraud.rule_errors import InvalidRuleError, UnknownNameError
from app.fraud.rules import Amount, Listed, NewCategory, NewCustomer, Quantity
from app.ops.rule_test.process_pool import TooManyOrdersError, ask_history
from batch.lake import Lake
from batch.manifest import DayChecksum, LakeDay, Manifest
from batch.sources import LAKE_TABLES
from tests.fraud.kinds import EVERY_KIND
from tests.fraud.oracle import oracle
from tests.fraud.test_judging import orders_of
from tests.sink.chunk_slices import NOON, Sink, work_of
from tests.sink.test_judging import TRANSACTIONS, change, detector_of_tests
from tests.support.databases import Database

START, END = NOON - timedelta(days=1), NOON + timedelta(days=10)
LARGE = Amount(id="large", name="Large", above=Decimal("50.00"))
DAY = timedelta(days=1)


def orders(partition: int) -> list[TransactionRow]:
    """Orders of users who are in this partition only."""
    return [
        row._replace(transaction_id=f"{partition}-{row.source_offset}", user_id=f"{row.user_id}{partition}")
        for row in orders_of(partition)
    ]


async def store(database: Database) -> list[TransactionRow]:
    """Two partitions; the rows, as stored."""
    rows = {partition: orders(partition) for partition in range(2)}
    async with database.worker(TRANSACTIONS) as connection:
        sink = Sink(connection, detector=detector_of_tests())
        for partition, those in rows.items():
            await sink.commit(work_of(those, partition=partition))
    return [row for those in rows.values() for row in those]


async def ask(database: Database, lake: Path = Path("absent"), **question: Any) -> dict[str, Any]:
    """The answer for the one rule that is asked for."""
    asked = Question(**{"start": START, "end": END} | question)
    found = await ask_history(database.settings, asked, str(lake), processes=2)
    (answer,) = found["answers"]
    return {**answer, "histories_since": found["histories_since"]}


async def test_the_figures_are_those_of_the_orders(database: Database) -> None:
    await change(database, Quantity(id="many", name="Many", at_least=5, state="active"))
    rows = await store(database)
    large = [row for row in rows if row.amount_cents > 5_000]
    raised = {row.transaction_id for row in large}
    async with database.owner() as owner:
        for number, row in enumerate(rows):
            if number % 3 == 0:
                await owner.execute(
                    "INSERT INTO fraud_labels (transaction_id, label, source, event_time, author) "
                    "VALUES ($1, $2, 'import', $3, 'ann')",
                    row.transaction_id,
                    "fraud" if number % 2 else "legitimate",
                    NOON,
                )
    found = await ask(database, drafts=(LARGE,))
    last_day = max(row.timestamp for row in rows).date()
    of_last_day = [row for row in rows if row.timestamp.date() == last_day]
    assert (found["orders_in_range"], found["orders"]) == (len(rows), len(large))
    assert found["money"] == str(Decimal(sum(row.amount_cents for row in large)) / 100)
    assert {day["day"]: day["orders"] for day in found["by_day"]} == Counter(str(row.timestamp.date()) for row in large)
    assert {each["country"]: each["orders"] for each in found["by_country"]} == Counter(
        row.country or "unknown" for row in large
    )
    assert found["last_day"]["orders_in_range"] == len(of_last_day)
    assert found["last_day"]["orders"] == sum(row.transaction_id in raised for row in of_last_day)
    labelled = [(n % 2 == 1, row.transaction_id in raised) for n, row in enumerate(rows) if n % 3 == 0]
    names = ("true_positives", "false_negatives", "false_positives", "true_negatives")
    cases = ((True, True), (True, False), (False, True), (False, False))
    assert [found["labels"][name] for name in names] == [labelled.count(case) for case in cases]
    assert len(found["examples"]) == 10
    assert found["examples"][0]["transaction_id"] == min(large, key=lambda row: row.timestamp).transaction_id
    assert found["examples"][0]["description"].startswith("High value transaction: $")
    assert found["overlap"] == [{"rule_id": "many", "orders": sum(row.quantity >= 5 for row in large)}]


@pytest.mark.parametrize("rule", [rule for rule in EVERY_KIND if rule.id != "stolen_card"], ids=lambda rule: rule.id)
async def test_every_kind_raises_in_a_range_what_the_oracle_says(
    database: Database, monkeypatch: pytest.MonkeyPatch, rule: Any
) -> None:
    """The range begins within the histories, for firsts near their beginning; users are divided among units."""
    monkeypatch.setattr("app.fraud.backtest.stored_orders._SHARD_ORDERS", 100)
    await store(database)
    hours = (-12, 6) if isinstance(rule, NewCustomer | NewCategory) else (20, 40)
    start, end = (NOON + timedelta(hours=each) for each in hours)
    expected: set[str] = set()
    for partition in range(2):
        rows = orders(partition)
        ids = {row.source_offset: row.transaction_id for row in rows if start <= row.timestamp < end}
        expected |= {ids[offset] for offset, _ in oracle((rule,), rows, {}) if offset in ids}
    found = await ask(database, drafts=(rule,), start=start, end=end)
    assert found["orders"] == len(expected) > 0
    assert {example["transaction_id"] for example in found["examples"]} <= expected


async def test_repeats_within_the_cool_down_are_those_of_a_live_run(database: Database) -> None:
    (rule,) = (rule for rule in EVERY_KIND if rule.id == "hourly")
    await change(database, rule)
    await store(database)
    live = await database.fetch("SELECT suppressed FROM transaction_anomalies WHERE rule_id = 'hourly'")
    for question in ({"drafts": (rule,)}, {"rule_ids": ("hourly",)}):
        found = await ask(database, **question)
        assert (found["orders"], found["suppressed"]) == (len(live), sum(row[0] for row in live))
        assert found["suppressed"] > 0


async def test_a_rule_of_every_order_is_warned_of(database: Database) -> None:
    await store(database)
    found = await ask(database, drafts=(Amount(id="all", name="All", above=Decimal("0.01")),))
    assert found["last_day"]["share"] == "1.0000"
    assert found["warning"].startswith(f"it would raise 100.0 % of the orders of {found['last_day']['day']}: ")


async def test_what_is_not_valid_names_the_field(database: Database) -> None:
    await store(database)
    listed = Listed(id="x", name="X", field="card", list="nowhere")
    with pytest.raises(InvalidRuleError, match=r"^list: there is no list nowhere"):
        await ask(database, drafts=(listed,))
    with pytest.raises(InvalidRuleError, match=r"^to: the end must be after the start"):
        await ask(database, drafts=(LARGE,), end=START)
    with pytest.raises(UnknownNameError, match="there is no rule nobody"):
        await ask(database, rule_ids=("nobody",))
    question = Question(START, END, (LARGE,))
    with pytest.raises(TooManyOrdersError, match=r"^from: 800 orders"):
        await ask_history(database.settings, question, "absent", processes=1, max_orders=799)


def _archive(folder: Path, rows: list[TransactionRow]) -> None:
    """The lake of these orders."""
    source, lake, manifest = LAKE_TABLES["transactions"], Lake(str(folder)), Manifest()
    days = sorted({row.timestamp.date() for row in rows})
    for day in days:
        those = [
            {**row._asdict(), "total_amount": Decimal(row.amount_cents) / 100}
            for row in rows
            if row.timestamp.date() == day
        ]
        with lake.new_file(source, day) as file:
            file.write(pa.Table.from_pylist(those, schema=source.arrow_schema))
        manifest = manifest.with_days(source.name, {day: LakeDay(DayChecksum(len(those), 0), file.name)})
    lake.write_manifest(manifest)


@pytest.mark.parametrize("rule", EVERY_KIND[:-1], ids=lambda rule: rule.id)
async def test_orders_that_retention_took_come_from_the_lake(database: Database, tmp_path: Path, rule: Any) -> None:
    rows = await store(database)
    before = await ask(database, drafts=(rule,))
    _archive(tmp_path, rows)
    floor = midnight(NOON.date() + DAY)
    gone = [row for row in rows if row.timestamp < floor and row.source_offset % 5]
    await _delete(database, gone, floor)
    assert await ask(database, tmp_path, drafts=(rule,)) == before
    with pytest.raises(LakeError, match="orders before 2026-03-02 were deleted after their retention"):
        await ask(database, drafts=(rule,))


async def test_without_a_lake_histories_begin_later(database: Database) -> None:
    await store(database)
    floor = midnight(NOON.date() + DAY)
    await _delete(database, [], floor)
    rule = NewCustomer(id="newcomer", name="Newcomer", above=Decimal("1.00"))
    found = await ask(database, drafts=(rule,), start=floor)
    assert datetime.fromisoformat(found["histories_since"]) == floor.astimezone(UTC)


async def _delete(database: Database, rows: list[TransactionRow], floor: datetime) -> None:
    """As retention deletes: before `floor`; on the days before it some orders are still there."""
    async with database.owner() as owner:
        await owner.execute(
            "DELETE FROM transactions WHERE transaction_id = ANY($1)", [row.transaction_id for row in rows]
        )
        await owner.execute(
            "INSERT INTO retention_progress (topic, source_partition, deleted_before) VALUES ('transactions', 0, $1)",
            floor,
        )
