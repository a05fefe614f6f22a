"""A test on history raises what the shadow raised live, row by row: with editions and lists as they were."""

from datetime import timedelta
from decimal import Decimal
from random import Random

import msgspec

from app.events.topics.transactions import TransactionRow
from app.fraud.backtest.differences import differences
from app.fraud.editions import ListEntry, RuleDesk
from app.fraud.rules import AnyRule, Velocity, Where
from app.sink.partition_state import PartitionState
from tables.user_histories import UserHistories
from tests.fraud.kinds import EVERY_KIND
from tests.fraud.test_judging import orders_of
from tests.sink.chunk_slices import NOON, Sink, work_of
from tests.sink.test_judging import TRANSACTIONS, detector_of_tests
from tests.support.databases import Database

IN_SHADOW: tuple[AnyRule, ...] = (
    *(msgspec.structs.replace(rule, state="shadow") for rule in EVERY_KIND),
    Velocity(id="minute", name="Minute", more_than=1, seconds=60),
)


class Live:
    """Three partitions of orders in random chunks, and changes of rules and lists between them."""

    def __init__(self, database: Database, sink: Sink, seed: int) -> None:
        self.random = Random(seed)
        self.states: dict[int, PartitionState | None] = {}
        self._database = database
        self._sink = sink
        self._rows = {
            partition: [
                row._replace(transaction_id=f"{partition}-{row.source_offset}")
                for row in orders_of(seed + partition, 500)
            ]
            for partition in range(3)
        }

    async def run(self) -> None:
        for partition in self._rows:
            # Partition 0 lives on, 1 is loaded before each chunk, 2 remembers next to nothing.
            state = self.states[partition] = await self._sink.state(partition)
            assert state is not None and state.sales is not None
            if partition == 2:
                state.sales.histories = UserHistories(3)
        while any(self._rows.values()):
            partition = self.random.choice([number for number, rows in self._rows.items() if rows])
            await self._commit(partition, self.random.randrange(1, 60))
            if self.random.random() < 0.5:
                await self._change()

    async def _commit(self, partition: int, size: int) -> None:
        rows = self._rows[partition][:size]
        self._rows[partition] = self._rows[partition][size:]
        # Every tenth order comes as one before it does: as a duplicate or, with another amount, as a conflict.
        rows = [self._again(row, rows[0]) if self.random.random() < 0.1 else row for row in rows]
        state = None if partition == 1 else self.states[partition]
        await self._sink.commit(work_of(rows, partition=partition), state)

    def _again(self, row: TransactionRow, earlier: TransactionRow) -> TransactionRow:
        cents = self.random.choice([earlier.amount_cents, earlier.amount_cents + 100])
        return earlier._replace(source_offset=row.source_offset, amount_cents=cents)

    async def _change(self) -> None:
        async with self._database.owner() as owner:
            desk = RuleDesk(owner, "ann")
            value = self.random.choice(["c1", "c2", "c3"])
            match self.random.randrange(5):
                case 0:
                    until = self.random.choice([None, NOON + timedelta(hours=self.random.randrange(48))])
                    await desk.put_entries("stolen", [ListEntry(value, until)], "added")
                case 1:
                    await desk.remove_entries("stolen", [value], "removed")
                case 2:
                    rule = self.random.choice(IN_SHADOW)
                    state = self.random.choice(["shadow", "shadow", "paused", "active"])
                    await desk.set_rule(msgspec.structs.replace(rule, state=state), "another state")
                case 3:
                    # With a filter no rule needs every history, so of most users only totals are kept.
                    rule = next(rule for rule in IN_SHADOW if rule.id == "unlike")
                    where = self.random.choice([Where(), Where(amount_from=Decimal("45.00"))])
                    await desk.set_rule(msgspec.structs.replace(rule, where=where), "another filter")
                case _:
                    above = Decimal(self.random.randrange(3_000, 9_000)) / 100
                    rule = next(rule for rule in IN_SHADOW if rule.id == "large")
                    await desk.set_rule(msgspec.structs.replace(rule, above=above), "another limit")


async def judged_live(database: Database, seed: int) -> None:
    """Every kind in shadow over orders with changes meanwhile."""
    async with database.owner() as owner:
        desk = RuleDesk(owner, "ann")
        await desk.make_list("stolen", "made")
        await desk.put_entries("stolen", [ListEntry("c3")], "added")
        for rule in IN_SHADOW:
            await desk.set_rule(rule, "made")
    async with database.worker(TRANSACTIONS) as connection:
        await Live(database, Sink(connection, detector=detector_of_tests()), seed).run()


async def test_a_replay_raises_what_the_shadow_raised(database: Database) -> None:
    await judged_live(database, 5)
    async with database.reader() as reader:
        found = await differences(reader)
        control = await differences(reader, lists_now=True)
        rules = {row[0] for row in await reader.fetch("SELECT DISTINCT rule_id FROM shadow_anomalies")}
        versions = await reader.fetchval("SELECT max(rule_version) FROM shadow_anomalies")
    assert found.differences == []
    assert found.orders > 1_200
    assert found.compared > 1_000
    assert rules == {rule.id for rule in IN_SHADOW}
    assert versions > 1
    assert control.differences, "today's lists give other verdicts"
