"""The laboratory judges as the sink does: on a small set, both give the same verdicts, cases and suppressions."""

from datetime import UTC, datetime

from app.fraud.editions import RuleDesk
from app.fraud.starter_rules import STARTER_LIST, starter_rules
from app.sink.anomaly_detector import AnomalyDetector
from app.sink.tables import STORED_TOPICS
from tests.bench.detection.judging import judge_partition
from tests.bench.detection.orders import PARTITIONS, lab_settings, make_orders
from tests.bench.detection.part import rulebook_of
from tests.sink.chunk_slices import Sink, work_of
from tests.support.databases import Database

TRANSACTIONS = STORED_TOPICS["transactions"]
ORDERS = 3_000
CHUNK = 170


async def test_the_sink_stores_what_the_laboratory_judges(database: Database) -> None:
    orders = make_orders(lab_settings(3, ORDERS, 200))
    for partition in orders.partitions:  # without the offsets of what was refused or came twice
        partition.rows = [row._replace(source_offset=offset) for offset, row in enumerate(partition.rows)]
    async with database.owner() as owner:
        desk = RuleDesk(owner, "lab")
        await desk.make_list(STARTER_LIST, "made")
        for rule in starter_rules():
            await desk.set_rule(rule, "set")
    async with database.worker(TRANSACTIONS) as connection:
        sink = Sink(connection, detector=AnomalyDetector(lambda: datetime(2026, 7, 1, tzinfo=UTC)))
        for number in range(PARTITIONS):
            state = await sink.state(number)
            rows = orders.partitions[number].rows
            for first in range(0, len(rows), CHUNK):
                await sink.commit(work_of(rows[first : first + CHUNK], partition=number), state)
    book = rulebook_of(starter_rules())
    verdicts = [one for partition in orders.partitions for one in judge_partition(book, partition)]
    stored = await database.fetch("SELECT transaction_id, risk_score, action, severity FROM verdicts")
    expected = {(row.transaction_id, v.risk_score, v.action, v.severity) for row, v in verdicts}
    assert {tuple(row) for row in stored} == expected
    assert {action for _, _, action, _ in expected} == {"allow", "review", "block"}
    cases = await database.fetch("SELECT transaction_id FROM cases")
    assert {case[0] for case in cases} == {row.transaction_id for row, verdict in verdicts if verdict.opens_case}
    suppressed = await database.fetch("SELECT transaction_id, rule_id FROM transaction_anomalies WHERE suppressed")
    assert {tuple(row) for row in suppressed} == {
        (row.transaction_id, reason.raised.version.rule.id)
        for row, verdict in verdicts
        for reason in verdict.reasons
        if reason.suppressed
    }
    assert suppressed
