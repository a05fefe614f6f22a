"""Restored orders are judged by the edition that judged them: everything that they raised comes back."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from app.fraud.editions import ListEntry, RuleDesk
from app.fraud.rules import Amount, Listed, NewCustomer, Velocity
from app.ops.replay.replay import replay_kafka
from app.settings import Settings
from tests.faults.world import World
from tests.ops.dead_letters.refused import deliver, order

_TABLES: Final = ("transactions", "transaction_anomalies", "shadow_anomalies", "verdicts", "cases")


async def _rules(world: World, above: str) -> None:
    """A new edition of each: limits, the rule of the list, and what the list holds."""
    owner = await world.owner()
    try:
        desk = RuleDesk(owner, "ann")
        if not await owner.fetchval("SELECT 1 FROM fraud_lists"):
            await desk.make_list("cards", "made")
        await desk.put_entries("cards", [ListEntry(f"card of {above}")], "added")
        for rule in (
            Amount(id="large", name="Large", above=Decimal(above), state="active", cooldown_minutes=60),
            Velocity(id="fast", name="Fast", more_than=2, seconds=3_600, state="active"),
            NewCustomer(id="first", name="First", above=Decimal("1.00")),
            Listed(id="stolen", name="Stolen", field="card", list="cards", effect="block", state="active"),
        ):
            await desk.set_rule(rule, "changed")
    finally:
        await owner.close()


async def test_restored_orders_are_judged_by_their_editions(world: World) -> None:
    worker = world.worker()
    for number, above in enumerate(("5.00", "9.00", "12.00")):
        await _rules(world, above)
        await deliver(world, [order(f"{number}-{n}", f"u{n % 3}", card=f"card of {above}") for n in range(6)])
        await deliver(world, [order(f"{number}-new", f"new{number}", total_amount="11.00")])
    await world.exact()
    before = [await world.sql(f"SELECT count(*) FROM {table}") for table in _TABLES]

    ids = "('1-0', '1-4', '1-new', '2-5')"
    for table in _TABLES:
        await world.execute(f"DELETE FROM {table} WHERE transaction_id IN {ids}")
    assert {"missing_row", "anomaly", "verdict", "case", "shadow"} <= set((await world.recount()).kinds)
    today = datetime.now(UTC).date()
    restored, _ = await replay_kafka(Settings(world.environment()), today - timedelta(days=1), today)
    assert restored.restored.total() == 4
    await world.exact()
    assert [await world.sql(f"SELECT count(*) FROM {table}") for table in _TABLES] == before
    assert worker.exit_code is None, worker.tail()
