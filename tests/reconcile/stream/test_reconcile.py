"""The recount against real Kafka and PostgreSQL: agrees with what is right, names what is not."""

import asyncio
import json
import os
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from app.errors import RecountError
from app.reconcile.stream.recount import reconcile
from app.reconcile.stream.sales import LiveFigures
from app.reconcile.stream.snapshot import open_snapshot
from app.topics import SYSTEM_METRICS, TRANSACTIONS
from tests.reconcile.stream.conftest import World, messages
from tests.reconcile.stream.scripted import at


async def test_agrees_with_a_faultless_store(world: World) -> None:
    report = await reconcile(world.settings)
    assert messages(report) == []
    assert (report.agrees, report.complete) == (True, True)
    orders = report.topics[TRANSACTIONS]
    assert orders.expected == orders.found
    assert orders.rows == 12
    assert orders.expected == {
        "consumed": 20,
        "stored": 12,
        "duplicates": 3,
        "conflicting": 1,
        "dead_lettered": 5,
        "late": 2,
        "rounded": 1,
        "assumed_utc": 1,
    }
    assert report.topics[SYSTEM_METRICS].expected["conflicting"] == 1
    assert {name: tally.expected for name, tally in report.anomalies.items()} == {
        "high_value": 1,
        "unusual_quantity": 1,
        "rapid_transactions": 1,
    }
    # 12:00:00 to 12:00:10 is one pane and two windows; so are the five others.
    assert report.tables["sales_panes"].expected == 6
    assert report.tables["sales_metrics"].expected == 12
    assert report.tables["copies of anomalies"].found == 3
    assert report.tables["copies of dead_letters"].found == 7
    assert json.loads(report.to_json())["agrees"] is True


@pytest.mark.parametrize(
    ("tampering", "expected"),
    [
        (
            "UPDATE transactions SET total_amount = 10.01 WHERE transaction_id = 't1'",
            ["field: transactions[0]@0: total_amount is Decimal('10.01'), expected Decimal('10.00')"],
        ),
        (
            "UPDATE transactions SET timestamp = timestamp + interval '1 microsecond' WHERE transaction_id = 't4'",
            [
                "field: transactions[0]@7: timestamp is '2025-12-01T12:05:00.000001+00:00', "
                "expected '2025-12-01T12:05:00+00:00'"
            ],
        ),
        (
            "UPDATE transactions SET category = '' WHERE transaction_id = 't6'",
            ["field: transactions[1]@1: category is '', expected None"],
        ),
        ("DELETE FROM transactions WHERE transaction_id = 't4'", ["missing_row: transactions[0]@7: no row ('t4',)"]),
        (
            "INSERT INTO transactions SELECT 'ghost', user_id, timestamp, total_amount, category, "
            "country, payment_method, quantity, product_id, session_id, 0, 2 FROM transactions "
            "WHERE transaction_id = 't1'",
            ["extra_row: transactions[0]@2: row ('ghost',) is stored and should not be"],
        ),
        (
            "UPDATE transactions SET source_offset = 99 WHERE transaction_id = 't2'",
            [
                "winner: transactions[0]@1: should be stored, but its id is stored from transactions[0]@99",
                "extra_row: transactions[0]@99: row ('t2',)",
            ],
        ),
        (
            "UPDATE transactions SET source_partition = 5 WHERE transaction_id = 't6'",
            [
                "winner: transactions[1]@1: should be stored, but its id is stored from transactions[5]@1",
                "extra_row: 1 rows of transactions[5], which is not in the ledger",
            ],
        ),
        (
            "UPDATE transactions SET source_partition = 0, source_offset = 15 WHERE transaction_id = 'shared'",
            [
                "counter: ledger transactions[0]: stored is 10, expected 11",
                "counter: ledger transactions[0]: duplicates is 3, expected 2",
                "watermark: ledger transactions[0]",
                "counter: ledger transactions[1]: stored is 2, expected 1",
                "counter: ledger transactions[1]: duplicates is 0, expected 1",
                "counter: ledger transactions[1]: late is 1, expected 0",
                "watermark: ledger transactions[1]",
                "sales_panes: sales_panes 2025-12-01T12:31:00+00:00 partition 0",
                "sales_panes: sales_panes 2025-12-01T12:31:00+00:00 partition 1",
                "sales_hourly: sales_hourly 2025-12-01T12:00:00+00:00 partition 0",
                "sales_hourly: sales_hourly 2025-12-01T12:00:00+00:00 partition 1",
                "sales_daily: sales_daily 2025-12-01T00:00:00+00:00 partition 0",
                "sales_daily: sales_daily 2025-12-01T00:00:00+00:00 partition 1",
                "sales_weekly: sales_weekly 2025-12-01T00:00:00+00:00 partition 0",
                "sales_weekly: sales_weekly 2025-12-01T00:00:00+00:00 partition 1",
                "revenue_minutely: revenue_minutely 2025-12-01T12:31:00+00:00 partition 0",
                "revenue_minutely: revenue_minutely 2025-12-01T12:31:00+00:00 partition 1",
                "revenue_hourly: revenue_hourly 2025-12-01T12:00:00+00:00 partition 0",
                "revenue_hourly: revenue_hourly 2025-12-01T12:00:00+00:00 partition 1",
                "revenue_daily: revenue_daily 2025-12-01T00:00:00+00:00 partition 0",
                "revenue_daily: revenue_daily 2025-12-01T00:00:00+00:00 partition 1",
            ],
        ),
        (
            "DELETE FROM system_metrics",
            ["missing_row: system_metrics[0]@0: no row ('h1', 'cpu', 'load', 1764590400000000)"],
        ),
        (
            "UPDATE system_metrics SET value = 0.30000000000000004",
            ["field: system_metrics[0]@0: value is 0.30000000000000004, expected 0.1"],
        ),
        (
            "UPDATE dead_letters SET reason = 'invalid_field' WHERE reason = 'key_mismatch'",
            ["reason: transactions[0]@14: reason invalid_field, expected key_mismatch"],
        ),
        (
            "UPDATE dead_letters SET value = value || ' ' WHERE reason = 'malformed_json'",
            ["dead_letter: transactions[0]@5: value of the dead letter is"],
        ),
        (
            "UPDATE dead_letters SET kafka_time = kafka_time + interval '1 ms' WHERE reason = 'empty_value'",
            ["dead_letter: transactions[0]@4: kafka_time of the dead letter is"],
        ),
        (
            "DELETE FROM dead_letters WHERE source_topic = 'cart_events'",
            ["missing_dead_letter: cart_events[0]@1: no dead letter, reason invalid_field"],
        ),
        (
            "UPDATE dead_letters SET source_offset = 0 WHERE source_topic = 'cart_events'",
            [
                "extra_dead_letter: cart_events[0]@0: a dead letter, reason invalid_field",
                "missing_dead_letter: cart_events[0]@1",
            ],
        ),
        (
            "UPDATE sales_panes SET total_amount = total_amount + 0.01 WHERE pane_start = '2025-12-01T12:05Z'",
            [
                "sales_panes: sales_panes 2025-12-01T12:05:00+00:00 partition 0 'Books' 'USA': "
                "1, 2.51, expected 1, 2.50",
                "sales_metrics: sales_metrics 2025-12-01T12:04:30+00:00 'Books' 'USA'",
                "sales_metrics: sales_metrics 2025-12-01T12:05:00+00:00 'Books' 'USA'",
            ],
        ),
        (
            "DELETE FROM sales_hourly WHERE source_partition = 1 AND category = 'unknown'",
            ["sales_hourly: sales_hourly 2025-12-01T12:00:00+00:00 partition 1 'unknown' 'unknown': no row"],
        ),
        (
            "UPDATE revenue_minutely SET total_amount = total_amount + 0.01 "
            "WHERE source_partition = 1 AND minute = '2025-12-01T12:00Z'",
            ["revenue_minutely: revenue_minutely 2025-12-01T12:00:00+00:00 partition 1 None 'unknown': 1"],
        ),
        (
            "UPDATE sales_weekly SET week = week - interval '1 day' WHERE source_partition = 1 "
            "AND category = 'unknown'",
            [
                "sales_weekly: sales_weekly 2025-11-30T00:00:00+00:00 partition 1 'unknown' 'unknown': 1",
                "sales_weekly: sales_weekly 2025-12-01T00:00:00+00:00 partition 1 'unknown' 'unknown': no row",
            ],
        ),
        (
            "INSERT INTO sales_daily VALUES ('2025-12-02Z', 0, 'Books', 'USA', 1, 1)",
            ["sales_daily: sales_daily 2025-12-02T00:00:00+00:00 partition 0 'Books' 'USA': 1, 1"],
        ),
        (
            "UPDATE transaction_anomalies SET anomaly_score = 1.2001 WHERE transaction_id = 'r5'",
            ["anomaly: anomaly r5:rapid_transactions: anomaly_score is 1.2001, expected 1.2000"],
        ),
        (
            "INSERT INTO transaction_anomalies (transaction_id, user_id, amount, anomaly_score, "
            "anomaly_type, description, event_time, threshold, detected_at) SELECT 'r4', user_id, "
            "amount, anomaly_score, anomaly_type, description, event_time, threshold, detected_at "
            "FROM transaction_anomalies WHERE transaction_id = 'r5'",
            ["anomaly: anomaly r4:rapid_transactions: is stored and should not be"],
        ),
        ("DELETE FROM transaction_anomalies WHERE transaction_id = 't2'", ["anomaly: anomaly t2:high_value: no row"]),
        (
            "UPDATE stream_progress SET watermark = watermark - interval '1 s' "
            "WHERE topic = 'transactions' AND partition = 0",
            ["watermark: ledger transactions[0]: watermark 2025-12-01T12:30:24+00:00, expected"],
        ),
        (
            "UPDATE stream_progress SET stored = stored + 1, duplicates = duplicates - 1 "
            "WHERE topic = 'product_views' AND partition = 0",
            [
                "counter: ledger product_views[0]: stored is 2, expected 1",
                "counter: ledger product_views[0]: duplicates is 0, expected 1",
            ],
        ),
        (
            "UPDATE stream_progress SET late = 0 WHERE topic = 'transactions' AND partition = 0",
            ["counter: ledger transactions[0]: late is 0, expected 1"],
        ),
        (
            "UPDATE stream_progress SET next_offset = 9 WHERE topic = 'cart_events'",
            ["ledger: cart_events[0] ends at 2, the ledger is at 9"],
        ),
        (
            "UPDATE stream_source SET cluster_id = 'another'",
            ["ledger: the ledger is of cluster another, this Kafka is"],
        ),
        (
            "UPDATE stream_windows SET step_seconds = 60",
            ["ledger: the panes are of windows and steps of (60, 60) s, the settings are (60, 30)"],
        ),
        (
            "UPDATE outbox_progress SET numbered_position = 2, published_position = 2 WHERE stream = 'anomalies'",
            ["outbox: anomalies: a row has position 3, the progress is 2"],
        ),
    ],
)
async def test_names_what_is_wrong(world: World, tampering: str, expected: list[str]) -> None:
    await world.execute(tampering)
    report = await reconcile(world.settings)
    found = [text for text in messages(report) if not text.startswith("copy: ")]
    assert len(found) == len(expected), found
    for text, beginning in zip(found, expected, strict=True):
        assert text.startswith(beginning)
    assert not report.agrees


async def test_copies_have_to_be_there_once_published(world: World) -> None:
    await world.execute("UPDATE transaction_anomalies SET transaction_id = 't9' WHERE position = 1")
    await world.execute("UPDATE dead_letters SET reason = 'x' WHERE position = 2")
    report = await reconcile(world.settings)
    assert [m.message for m in report.mismatches if m.kind == "copy"] == [
        "topic anomalies: no copy: t9:high_value",
        "topic dead_letters: its copy differs: transactions[0]@5",
    ]


async def test_unpublished_rows_are_only_counted(world: World) -> None:
    await world.execute("UPDATE outbox_progress SET published_position = 1")
    await world.execute("UPDATE dead_letters SET position = NULL WHERE position = 7")
    report = await reconcile(world.settings)
    assert messages(report) == []
    assert report.awaiting_publication == {"anomalies": 2, "dead_letters": 6}


async def test_rejected_by_the_database_is_a_dead_letter_that_shows(world: World) -> None:
    await world.execute("DELETE FROM transactions WHERE transaction_id = 't6'")
    for table in ("sales_panes", "sales_hourly", "sales_daily", "sales_weekly"):
        await world.execute(f"DELETE FROM {table} WHERE source_partition = 1 AND category = 'unknown'")
    for table in ("revenue_minutely", "revenue_hourly", "revenue_daily"):
        await world.execute(f"DELETE FROM {table} WHERE source_partition = 1 AND country = 'unknown'")
    await world.execute(
        "UPDATE stream_progress SET stored = 1, late = 0, dead_lettered = 2 "
        "WHERE topic = 'transactions' AND partition = 1"
    )
    value = (
        '{"transaction_id": "t6", "user_id": "u6", "timestamp": "2025-12-01T12:00:30.5Z", '
        '"total_amount": 0, "session_id": "s6"}'
    )
    await world.execute(
        "INSERT INTO dead_letters (source_topic, source_partition, source_offset, key, value, "
        "reason, detail, stage, kafka_time) VALUES ('transactions', 1, 1, 'u6', "
        f"'{value}', 'rejected_by_database', '', 'sink', '2025-12-01T13:00Z')"
    )
    report = await reconcile(world.settings)
    assert messages(report) == []
    assert report.topics[TRANSACTIONS].rejected_by_database == 1


async def test_live_tables(world: World) -> None:
    now = at(1850)
    cents: dict[str, dict[str, int]] = {
        "revenue_by_category": {"Toys": 600, "Books": 0},
        "revenue_by_country": {"unknown": 600},
    }
    assert messages(await reconcile(world.settings, live_tables=LiveFigures(now, cents))) == []
    # (now - 60 s, now]: the first of six orders, at exactly now - 60 s, is out.
    later = LiveFigures(at(1800) + timedelta(seconds=60), cents)
    report = await reconcile(world.settings, live_tables=later)
    assert report.kinds == {"revenue_by_category": 2, "revenue_by_country": 2}


async def test_json_file_and_exit_code(world: World, tmp_path: Path) -> None:
    file = tmp_path / "reports" / "reconcile.json"
    program = "import typer; from app.cli.reconcile import *; typer.run(reconcile_command)"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program, "--json", str(file)),
        env={**os.environ, **world.variables},
        stdout=asyncio.subprocess.DEVNULL,
    )
    assert await process.wait() == 0
    assert json.loads(file.read_text())["agrees"] is True


async def test_worker_that_writes_meanwhile(world: World) -> None:
    """The snapshot decides: what is committed during the recount belongs to the next one."""
    async with open_snapshot(world.settings.postgres) as snapshot:
        before = await snapshot.ledger()
        await world.execute("UPDATE stream_progress SET next_offset = next_offset + 1")
        await world.execute("DELETE FROM transactions")
        assert await snapshot.ledger() == before
        assert len([row async for row in snapshot.stored(TRANSACTIONS, 0)]) == 10


async def test_rows_deleted_by_retention_are_not_missed(world: World) -> None:
    await world.execute("DELETE FROM transactions WHERE transaction_id = 't4'")
    await world.execute(
        "INSERT INTO retention_progress (topic, source_partition, deleted_before, deleted) "
        "VALUES ('transactions', 0, '2025-12-01 12:10Z', 1)"
    )
    assert messages(await reconcile(world.settings)) == []


async def test_rows_missing_without_retention_are_missed(world: World) -> None:
    """Noted are other rows than those that are gone: their number, or their time."""
    await world.execute("DELETE FROM transactions WHERE transaction_id IN ('t4', 't1')")
    await world.execute(
        "INSERT INTO retention_progress (topic, source_partition, deleted_before, deleted) "
        "VALUES ('transactions', 0, '2025-12-01 12:10Z', 3)"
    )
    assert "counter: ledger transactions[0]: stored is 10, expected 11" in messages(await reconcile(world.settings))
    await world.execute("UPDATE retention_progress SET deleted_before = '2025-12-01 12:04Z'")
    assert "missing_row: transactions[0]@7: no row ('t4',)" in messages(await reconcile(world.settings))


async def test_a_role_that_may_not_read_is_named(world: World) -> None:
    await world.execute("REVOKE SELECT ON stream_progress FROM globalmart_worker")
    with pytest.raises(RecountError, match="permission denied for table stream_progress"):
        await reconcile(world.settings)
