"""The look at the last day with a rule that is just being set: its share, exact where the sample is the whole day."""

from datetime import timedelta
from decimal import Decimal

import asyncpg
import pytest
from msgspec.structs import replace

from app.fraud.backtest import sample
from app.fraud.rules import Amount, AnyRule, NewCustomer, Velocity
from tests.fraud.kinds import EVERY_KIND
from tests.ops.rule_test.test_process_pool import ask, store
from tests.support.databases import Database

ALL = Amount(id="all", name="All", above=Decimal("0.01"))
DAY = timedelta(hours=24)


async def looked(database: Database, rule: AnyRule) -> sample.Look | None:
    async with database.reader() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        return await sample.look(connection, rule)


@pytest.mark.parametrize("rule", [rule for rule in EVERY_KIND if rule.id != "stolen_card"], ids=lambda rule: rule.id)
async def test_it_raises_what_a_test_on_history_raises(database: Database, rule: AnyRule) -> None:
    await store(database)
    found = await looked(database, rule)
    assert found is not None and found.end - found.start == DAY
    whole = await ask(database, drafts=(rule,), start=found.start, end=found.end)
    assert (found.orders, found.raised) == (whole["orders_in_range"], whole["orders"])
    assert str(found.share) == whole["share"]


async def test_of_many_orders_a_sample_is_judged_with_whole_histories(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store(database)
    statement = sample._SAMPLE.replace("LIMIT 1000", "LIMIT 20")
    assert statement != sample._SAMPLE
    monkeypatch.setattr(sample, "_SAMPLE", statement)
    found = await looked(database, ALL)
    assert found is not None and (found.orders, found.raised, str(found.share)) == (20, 20, "1.0000")
    # Nobody's first order is on the last day, if what was before it is known.
    first = await looked(database, NewCustomer(id="first", name="First", above=Decimal("0.01")))
    assert first is not None and (first.orders, first.raised) == (20, 0)


async def test_only_a_large_share_is_warned_of(database: Database) -> None:
    await store(database)
    every, never = await looked(database, ALL), await looked(database, replace(ALL, above=Decimal(900_000)))
    assert every is not None and every.warning is not None
    assert every.warning.startswith(f"it would raise 100.0 % of {every.orders:,} orders of the 24 hours to ")
    assert never is not None and never.warning is None


async def test_without_orders_nothing_is_said(database: Database) -> None:
    assert await looked(database, ALL) is None
    async with database.reader() as connection:
        assert await sample.warning_of(connection, ALL) is None


async def test_who_set_a_rule_hears_that_the_orders_could_not_be_read(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store(database)
    monkeypatch.setattr(sample, "_SESSION", "SET LOCAL statement_timeout = '1ms'; SELECT pg_sleep(5)")
    async with database.reader() as connection:
        said = await sample.warning_of(connection, Velocity(id="v", name="V", more_than=5, seconds=600))
    assert said is not None and said.startswith("whether it raises too many orders is not known")
    assert asyncpg.QueryCanceledError.__name__ not in said


async def test_a_paused_rule_is_not_looked_at(database: Database) -> None:
    await store(database)
    async with database.reader() as connection:
        assert await sample.warning_of(connection, replace(ALL, state="paused")) is None
        assert await sample.warning_of(connection, replace(ALL, state="active")) is not None


async def test_orders_of_a_partition_without_a_ledger_are_left_out(database: Database) -> None:
    await store(database)
    whole = await looked(database, ALL)
    async with database.owner() as owner:
        await owner.execute("DELETE FROM stream_progress WHERE topic = 'transactions' AND partition = 1")
    half = await looked(database, ALL)
    assert whole is not None and half is not None
    assert 0 < half.orders == half.raised < whole.orders
