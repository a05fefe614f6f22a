"""Between a statement's Parse and its Bind no time-out of PostgreSQL ends a session: no lock may be held there."""

from decimal import Decimal

import asyncpg
import pytest

from app.fraud.editions import RuleDesk
from app.fraud.rules import Amount
from app.sink.anomaly_detector import AnomalyDetector
from app.sink.fault_points import FaultPoint
from app.sink.tables import STORED_TOPICS
from tests.fraud.kinds import EVERY_KIND
from tests.sink.chunk_slices import NOON, Sink, letter, order, work_of
from tests.support.databases import Database

#: Every order raises it, so anomalies, verdicts and cool-downs are asked for and stored.
CHEAP = Amount(id="high_value", name="Any", above=Decimal("1.00"), cooldown_minutes=5, state="active")
_PREPARED = "SELECT statement FROM pg_prepared_statements"


class _Recorder:
    """Notes which statements the connection has prepared at each point."""

    def __init__(self) -> None:
        self.prepared: dict[FaultPoint, set[str]] = {}

    async def reached(self, point: FaultPoint, topic: str, connection: asyncpg.Connection) -> None:
        """Take note."""
        rows = await connection.fetch(_PREPARED)
        self.prepared[point] = {row["statement"] for row in rows} - {_PREPARED}


@pytest.mark.parametrize("count", [3, 2000])
async def test_no_statement_is_prepared_behind_the_fence(database: Database, count: int) -> None:
    recorder = _Recorder()
    async with database.owner() as owner:
        desk = RuleDesk(owner, "test")
        await desk.make_list("stolen", "for a rule")
        for rule in (*EVERY_KIND, CHEAP):
            await desk.set_rule(rule, "every statement runs")
    async with database.worker(STORED_TOPICS["transactions"]) as connection:
        sink = Sink(connection, detector=AnomalyDetector(lambda: NOON))
        sink.transaction._faults = recorder
        rows = [order(offset, transaction_id=f"t{offset // 2}") for offset in range(count)]
        result = await sink.commit(work_of(rows, letters=[letter(count)]))
    assert result.anomalies and result.counts.duplicates
    behind = recorder.prepared[FaultPoint.BEFORE_COMMIT]
    assert behind == recorder.prepared[FaultPoint.AFTER_COPY]
