"""The recount names every column of the fraud desk's tables that is not what the editions say."""

import pytest

from app.reconcile.stream.recount import reconcile
from tests.reconcile.stream.conftest import World, messages

_DEFINITION = '{"kind": "amount", "id": "large", "name": "Large", "above": "8000.00", "state": "shadow"}'
#: A rule in shadow since edition 1, and what it raised.
_SHADOW = f"""
INSERT INTO fraud_rules (rule_id, version, edition, rank, definition) VALUES ('large', 1, 1, 3, '{_DEFINITION}');
INSERT INTO shadow_anomalies
    (transaction_id, rule_id, rule_version, user_id, amount, anomaly_score, measure, threshold, description, event_time,
     detected_at, source_partition, source_offset)
VALUES ('t2', 'large', 1, 'u1', 9000, 1.125, 9000, 8000, 'High value transaction: $9000.00', '2025-12-01 12:00:10Z',
    now(), 0, 1);
"""
_EDITION = (
    "INSERT INTO fraud_editions (edition, author, reason, review_from, block_from) VALUES (2, 'ann', '', 30, 80);"
)


async def test_what_shadows_raise_is_recounted(world: World) -> None:
    await world.execute(_SHADOW)
    report = await reconcile(world.settings)
    assert messages(report) == []
    assert {name: report.tables[name].expected for name in ("shadow_anomalies", "verdicts", "cases")} == {
        "shadow_anomalies": 1,
        "verdicts": 3,
        "cases": 3,
    }


@pytest.mark.parametrize(
    ("table", "change", "expected"),
    [
        ("transaction_anomalies", "rule_version = 2", "anomaly t2:high_value: rule_version is 2, expected 1"),
        ("transaction_anomalies", "severity = 'low'", "anomaly t2:high_value: severity is low, expected high"),
        ("transaction_anomalies", "suppressed = true", "anomaly t2:high_value: suppressed is True, expected False"),
        ("transaction_anomalies", "source_partition = 1", "anomaly t2:high_value: source_partition is 1, expected 0"),
        ("transaction_anomalies", "source_offset = 0", "anomaly t2:high_value: source_offset is 0, expected 1"),
        ("transaction_anomalies", "source_offset = NULL", "anomaly t2:high_value: source_offset is None, expected 1"),
        ("shadow_anomalies", "transaction_id = 't3'", "shadow t2:large: no row"),
        ("shadow_anomalies", "rule_id = 'largf'", "shadow t2:large: no row"),
        ("shadow_anomalies", "rule_version = 2", "shadow t2:large: rule_version is 2, expected 1"),
        ("shadow_anomalies", "user_id = 'u2'", "shadow t2:large: user_id is u2, expected u1"),
        ("shadow_anomalies", "amount = 1", "shadow t2:large: amount is 1.00, expected 9000.00"),
        ("shadow_anomalies", "anomaly_score = 1", "shadow t2:large: anomaly_score is 1.0000, expected 1.1250"),
        ("shadow_anomalies", "measure = 1", "shadow t2:large: measure is 1.00, expected 9000.00"),
        ("shadow_anomalies", "threshold = 1", "shadow t2:large: threshold is 1.00, expected 8000.00"),
        ("shadow_anomalies", "description = ''", "shadow t2:large: description is , expected High value"),
        ("shadow_anomalies", "event_time = event_time + interval '1 us'", "shadow t2:large: event_time is 17645904100"),
        ("shadow_anomalies", "source_partition = 1", "shadow t2:large: source_partition is 1, expected 0"),
        ("shadow_anomalies", "source_offset = 0", "shadow t2:large: source_offset is 0, expected 1"),
        ("verdicts", "transaction_id = 't1'", "verdict t1: is stored and should not be"),
        ("verdicts", "user_id = 'u2'", "verdict t2: user_id is u2, expected u1"),
        ("verdicts", "amount = 1", "verdict t2: amount is 1.00, expected 9000.00"),
        ("verdicts", "event_time = event_time + interval '1 us'", "verdict t2: event_time is 17645904100"),
        ("verdicts", "edition = 2", "verdict t2: edition is 2, expected 1"),
        ("verdicts", "risk_score = 41", "verdict t2: risk_score is 41, expected 40"),
        ("verdicts", "action = 'block'", "verdict t2: action is block, expected review"),
        ("verdicts", "severity = 'low'", "verdict t2: severity is low, expected high"),
        ("verdicts", "reasons = '[]'", "verdict t2: reasons is [], expected [{"),
        (
            "verdicts",
            "reasons = jsonb_set(reasons, '{0,measure}', '\"9000\"')",
            "verdict t2: reasons is [{'name': 'High value'",
        ),
        ("verdicts", "source_partition = 1", "verdict t2: source_partition is 1, expected 0"),
        ("verdicts", "source_offset = 0", "verdict t2: source_offset is 0, expected 1"),
        ("cases", "transaction_id = 't1'", "case t1: is stored and should not be"),
        ("cases", "severity = 'low'", "case t2: severity is low, expected high"),
        ("cases", "amount = 1", "case t2: amount is 1.00, expected 9000.00"),
        ("cases", "event_time = event_time + interval '1 us'", "case t2: event_time is 17645904100"),
    ],
)
async def test_every_column_is_compared(world: World, table: str, change: str, expected: str) -> None:
    await world.execute(_SHADOW + _EDITION)
    await world.execute(f"UPDATE {table} SET {change} WHERE transaction_id = 't2'")
    report = await reconcile(world.settings)
    kind = expected.split()[0]
    assert f"{kind}: {expected}" in "\n".join(messages(report))
    assert set(report.kinds) - {"copy"} == {kind}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("DELETE FROM shadow_anomalies", ["shadow: shadow t2:large: no row"]),
        ("DELETE FROM verdicts WHERE transaction_id = 'r5'", ["verdict: verdict r5: no row"]),
        ("DELETE FROM cases WHERE transaction_id = 'r5'", ["case: case r5: no row"]),
        ("UPDATE cases SET status = 'confirmed', assignee = 'ann', version = 2, closed_at = now()", []),
        ("UPDATE fraud_editions SET review_from = 40, block_from = 40 WHERE edition = 1", ["verdict: ", "case: "]),
        (
            f"{_EDITION} INSERT INTO judged_from VALUES ('transactions', 0, 6, 2)",
            ["verdict: verdict r5: edition is 1, expected 2", "verdict: verdict t3: edition is 1, expected 2"],
        ),
        (
            "INSERT INTO judged_from VALUES ('transactions', 0, 17, 1)",
            [
                "judged_from: transactions[0]@17: edition 1 follows 1",
                "judged_from: transactions[0]@17: edition 1 begins beyond the ledger",
            ],
        ),
    ],
)
async def test_what_is_missing_or_follows_from_other_editions_is_named(
    world: World, change: str, expected: list[str]
) -> None:
    await world.execute(_SHADOW)
    await world.execute(change)
    found = messages(await reconcile(world.settings))
    assert bool(found) == bool(expected)
    for beginning in expected:
        assert any(text.startswith(beginning) for text in found), found


async def test_copies_say_what_the_verdict_is(world: World) -> None:
    await world.execute("UPDATE verdicts SET action = 'block' WHERE transaction_id = 't2'")
    await world.execute("UPDATE transaction_anomalies SET suppressed = true WHERE transaction_id = 'r5'")
    report = await reconcile(world.settings)
    assert [one.message for one in report.mismatches if one.kind == "copy"] == [
        "topic anomalies: its copy differs: r5:rapid_transactions",
        "topic anomalies: its copy differs: t2:high_value",
    ]


async def test_anomalies_from_before_the_desk_have_neither_offset_nor_verdict(world: World) -> None:
    """As a database has it that was upgraded: nothing was judged since, or only later offsets."""
    await world.execute("UPDATE transaction_anomalies SET source_partition = NULL, source_offset = NULL")
    await world.execute("DELETE FROM cases; DELETE FROM verdicts; DELETE FROM judged_from")
    report = await reconcile(world.settings)
    assert messages(report) == []
    await world.execute("INSERT INTO judged_from VALUES ('transactions', 0, 13, 1)")
    found = messages(await reconcile(world.settings))
    assert [text for text in found if not text.startswith("anomaly: anomaly r5")] == [
        "verdict: verdict r5: no row",
        "case: case r5: no row",
    ]


async def test_rules_that_look_far_back_are_compared_where_all_is_known(world: World) -> None:
    """Within a year of what retention has deleted, nobody knows whether an order was a customer's first."""
    first = '{"kind": "new_customer", "id": "first", "name": "First", "above": "9999.00", "state": "active"}'
    deleted = (
        "DELETE FROM retention_progress; INSERT INTO retention_progress (topic, source_partition, deleted_before, "
        "deleted) VALUES ('transactions', 0, '{}', 0)"
    )
    await world.execute("DELETE FROM transaction_anomalies WHERE transaction_id = 't2'")
    await world.execute(deleted.format("2025-11-30Z"))
    assert messages(await reconcile(world.settings)) == ["anomaly: anomaly t2:high_value: no row"]
    await world.execute(f"INSERT INTO fraud_rules VALUES ('first', 1, 1, 3, '{first}')")
    assert messages(await reconcile(world.settings)) == []
    await world.execute(deleted.format("2024-12-01Z"))
    assert messages(await reconcile(world.settings)) == ["anomaly: anomaly t2:high_value: no row"]
