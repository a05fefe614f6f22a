"""Kafka has deleted records the ledger speaks of: said so, and the rest is judged all the same."""

import pytest

from app.reconcile.stream.recount import reconcile
from app.reconcile.stream.report import LostRange
from app.topics import SYSTEM_METRICS, TRANSACTIONS
from compose.embedded.stack import EmbeddedStack
from tests.reconcile.stream import stores
from tests.reconcile.stream.conftest import World, messages
from tests.reconcile.stream.scripted import Sent


@pytest.fixture(scope="module", autouse=True)
def forgotten(source: list[Sent], stack: EmbeddedStack) -> None:
    """The first eleven orders of a partition, and all system metrics."""
    stores.delete_head(stack.kafka.bootstrap, TRANSACTIONS, 0, 11)
    stores.delete_head(stack.kafka.bootstrap, SYSTEM_METRICS, 0, 2)


async def test_rows_replace_the_records(world: World) -> None:
    report = await reconcile(world.settings)
    assert messages(report) == []
    assert (report.agrees, report.complete) == (True, False)
    assert report.lost_ranges == [LostRange(SYSTEM_METRICS, 0, 0, 2), LostRange(TRANSACTIONS, 0, 0, 11)]


async def test_what_is_left_is_still_judged(world: World) -> None:
    await world.execute("DELETE FROM transactions WHERE transaction_id IN ('t1', 'r4')")
    report = await reconcile(world.settings)
    assert messages(report)[0] == "missing_row: transactions[0]@12: no row ('r4',)"
    assert "counter: ledger transactions[0]: stored is 10, expected 9" in messages(report)
    assert {"sales_panes", "sales_metrics", "sales_hourly"} <= report.kinds.keys()


async def test_rapid_transactions_reach_back_into_the_rows(world: World) -> None:
    await world.execute("DELETE FROM transaction_anomalies WHERE transaction_id = 'r5'")
    report = await reconcile(world.settings)
    assert messages(report) == ["anomaly: anomaly r5:rapid_transactions: no row"]
