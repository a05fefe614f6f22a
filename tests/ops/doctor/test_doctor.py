"""`globalmart doctor --stores`: every fault is found and reported with its fix, on real stores."""

import asyncio
import io
import os
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal

import msgspec
import pytest
from confluent_kafka.admin import AdminClient
from rich.console import Console

from app.cli.status import view
from app.fraud.editions import RuleDesk, load_rulebook
from app.fraud.rulebook import Rulebook, RuleVersion
from app.fraud.rules import NewCustomer, Velocity
from app.kafka.admin import create_topics
from app.ops.doctor.checks import _check, run_checks
from app.ops.doctor.kafka_checks import KafkaState, check_kafka, check_ledger_against_kafka
from app.ops.doctor.postgres_checks import PostgresState, check_postgres
from app.ops.doctor.rule_checks import check_retention
from app.ops.status.collect import Status, collect_status
from app.postgres.connections import connect_desk
from app.settings import KafkaSettings, Settings
from app.topics import CART_EVENTS, DEAD_LETTERS, TOPICS, TRANSACTIONS
from tests.ops.conftest import Shop
from tests.support.waiting import PATIENCE_SECONDS, until

_NOW = datetime(2026, 1, 1, tzinfo=UTC)
_PARTITIONS = {topic.name: 6 for topic in TOPICS}


async def _found(shop: Shop, **changed: str) -> list[str]:
    return [str(finding) for finding in await run_checks(shop.settings(**changed))]


async def _one(shop: Shop, **changed: str) -> str:
    (found,) = await _found(shop, **changed)
    return found


async def test_nothing_is_wrong(shop: Shop) -> None:
    assert await _found(shop) == []


#: Settings that do not fit, without their prefix, and parts of the one finding each leads to.
_MISFITS: tuple[tuple[dict[str, str], tuple[str, ...]], ...] = (
    ({"KAFKA_BOOTSTRAP": "127.0.0.1:1"}, ("Kafka at 127.0.0.1:1 does not answer", "GLOBALMART_KAFKA_BOOTSTRAP")),
    ({"POSTGRES_PORT": "1"}, ("PostgreSQL at", "does not answer", "GLOBALMART_POSTGRES_HOST and _PORT")),
    ({"POSTGRES_DATABASE": "nowhere"}, ('"nowhere" does not exist', "GLOBALMART_POSTGRES_DATABASE")),
    ({"POSTGRES_OWNER_PASSWORD": "no"}, ("refuses", "GLOBALMART_POSTGRES_OWNER_PASSWORD")),
    ({"POSTGRES_WORKER_PASSWORD": "no"}, ("refuses", "GLOBALMART_POSTGRES_WORKER_PASSWORD")),
    ({"POSTGRES_DESK_PASSWORD": "no"}, ("refuses", "GLOBALMART_POSTGRES_DESK_PASSWORD")),
    ({"POSTGRES_READER_PASSWORD": ""}, ("GLOBALMART_POSTGRES_READER_PASSWORD is not set", "globalmart init")),
    ({"MONGO_URL": ""}, ("GLOBALMART_MONGO_URL is not set",)),
    (
        {"MONGO_URL": "mongodb://127.0.0.1:1/", "MONGO_CONNECT_TIMEOUT_SECONDS": "0.5"},
        ("MongoDB does not answer", "GLOBALMART_MONGO_URL"),
    ),
    ({"KAFKA_PARTITIONS": "7"}, ("other partitions than 7", "GLOBALMART_KAFKA_PARTITIONS")),
    ({"STREAM_WINDOW_SECONDS": "120"}, ("windows are 60 s every 30 s", "globalmart migrate --rebuild-windows")),
)


async def test_settings_that_do_not_fit(shop: Shop) -> None:
    """All at once: some wait for a server that is not there."""
    answers = await asyncio.gather(*(_found(shop, **changed) for changed, _ in _MISFITS))
    for (changed, parts), found in zip(_MISFITS, answers, strict=True):
        assert len(found) == 1, (changed, found)
        assert [part for part in parts if part not in found[0]] == [], changed


def test_a_rule_that_looks_back_further_than_orders_are_kept_is_found() -> None:
    known = NewCustomer(id="newcomer", name="Newcomer", above=Decimal("30.00"))
    hourly = Velocity(id="hourly", name="Hourly", more_than=2, seconds=3_600)
    book = Rulebook(1, (RuleVersion(known, 1), RuleVersion(hourly, 1)))
    (finding,) = check_retention(book, 90)
    assert "newcomer: these look back up to 365 days" in str(finding) and "keep orders for 366 days" in str(finding)
    assert not finding.is_note
    assert [*check_retention(book, 365), *check_retention(book, None)] == []
    paused = RuleVersion(msgspec.structs.replace(known, state="paused"), 2)
    assert list(check_retention(Rulebook(2, (paused,)), 1)) == []


async def test_thresholds_that_differ_from_the_rules_are_noted(shop: Shop) -> None:
    desk = await connect_desk(shop.settings().postgres, "test")
    try:
        rules = RuleDesk(desk, "ann")
        book = await load_rulebook(desk)
        for rule_id, changes in (
            ("high_value", {"above": Decimal("750.50")}),
            ("rapid_transactions", {"seconds": 600}),
        ):
            version = book.version_of(rule_id)
            assert version is not None
            await rules.set_rule(msgspec.structs.replace(version.rule, **changes), "changed")
    finally:
        await desk.close()
    notes = await run_checks(shop.settings(ANOMALY_UNUSUAL_QUANTITY="12"))
    assert [finding.is_note for finding in notes] == [True] * 3
    for finding, parts in zip(
        notes,
        (
            ("high_value compares with 750.50 (version 2), GLOBALMART_ANOMALY_HIGH_VALUE is 5000.00; ", "rules set"),
            ("unusual_quantity compares with 10 (version 1), GLOBALMART_ANOMALY_UNUSUAL_QUANTITY is 12",),
            ("rapid_transactions is another rule than the guide's now (version 2)", "says nothing of it"),
        ),
        strict=True,
    ):
        assert [part for part in parts if part not in str(finding)] == []
    assert await _found(shop, ANOMALY_HIGH_VALUE="750.5") == [str(notes[2])]


async def test_a_wrong_password_of_mongodb(shop: Shop) -> None:
    url = shop.variables["GLOBALMART_MONGO_URL"].replace("globalmart:", "globalmart:x")
    found = await _one(shop, MONGO_URL=url)
    assert "authentication failed" in found
    assert url.split("@")[0].split(":")[-1] not in found


#: What somebody does to the database, and parts of the finding it leads to.
_CHANGES = (
    ("DELETE FROM schema_version WHERE version = 2", ("migrations are missing: 0002", "globalmart migrate")),
    ("INSERT INTO schema_version VALUES (99, 'new', 'x')", ("schema is at version 99", "upgrade")),
    (
        "UPDATE schema_version SET checksum = 'x' WHERE version = 1",
        ("edited after they were applied: spine", "restore"),
    ),
    (
        "GRANT DELETE ON transactions TO globalmart_worker",
        ("globalmart_worker may delete from transactions", "REVOKE DELETE, TRUNCATE ON transactions"),
    ),
    (
        "GRANT INSERT ON dead_letters TO globalmart_reader",
        ("globalmart_reader may write dead_letters", "REVOKE INSERT, UPDATE"),
    ),
    (
        "GRANT SELECT ON erased_users TO globalmart_reader",
        ("globalmart_reader may read erased_users", "REVOKE SELECT ON erased_users"),
    ),
    (
        "REVOKE UPDATE ON stream_progress FROM globalmart_worker",
        ("globalmart_worker may not update stream_progress", "grant it again"),
    ),
    (
        "GRANT INSERT ON transactions TO globalmart_desk",
        ("globalmart_desk may write transactions", "REVOKE INSERT, UPDATE ON transactions FROM globalmart_desk"),
    ),
    (
        "REVOKE INSERT ON fraud_labels FROM globalmart_desk",
        ("globalmart_desk may not insert into fraud_labels", "grant it again"),
    ),
    (
        "REVOKE SELECT ON transactions FROM globalmart_reader",
        ("globalmart_reader may not read transactions", "grant it again"),
    ),
    (
        "INSERT INTO stream_progress (topic, partition, next_offset) VALUES ('transactions', 3, 1000000)",
        ("offset 1000000 of transactions[3]", "right Kafka"),
    ),
)


async def test_a_database_that_was_changed(shop: Shop) -> None:
    """All problems are reported at once, each with its fix."""
    async with shop.database.owner() as connection:
        for statement, _ in _CHANGES:
            await connection.execute(statement)
    found = await _found(shop)
    assert len(found) == len(_CHANGES), found
    for statement, parts in _CHANGES:
        assert any(all(part in text for part in parts) for text in found), (statement, found)


async def test_a_database_of_another_kafka(shop: Shop) -> None:
    async with shop.database.owner() as connection:
        await connection.execute("INSERT INTO stream_source VALUES (true, 'another')")
    found = await _one(shop)
    assert "has consumed cluster another" in found
    assert "GLOBALMART_KAFKA_BOOTSTRAP" in found


async def test_a_database_without_a_schema(blank_shop: Shop) -> None:
    assert "has no schema; run `globalmart migrate`" in await _one(blank_shop)


async def test_a_topic_that_is_missing(shop: Shop) -> None:
    bootstrap = shop.variables["GLOBALMART_KAFKA_BOOTSTRAP"]
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    for answer in admin.delete_topics([CART_EVENTS]).values():
        answer.result(PATIENCE_SECONDS)
    try:
        await until(lambda: CART_EVENTS not in admin.list_topics(timeout=PATIENCE_SECONDS).topics)
        assert "topics are missing: cart_events; run `globalmart migrate`" in await _one(shop)
    finally:
        create_topics(bootstrap, 6, 1, 48.0)


def _kafka(**changed: object) -> KafkaState:
    seen = {"cluster_id": "c", "partitions": _PARTITIONS, "ranges": {}, "newest": None, "seen_at": _NOW}
    return KafkaState(**(seen | changed))  # type: ignore[arg-type]


def test_records_from_the_future() -> None:
    sight = _kafka(newest=datetime(2026, 1, 1, 0, 10, tzinfo=UTC))
    (found,) = check_kafka(sight, KafkaSettings(), 300)
    assert "600 s ahead of this machine's clock; set the clocks" in str(found)
    assert list(check_kafka(sight, KafkaSettings(), 600)) == []


def test_records_that_were_deleted_before_they_were_consumed() -> None:
    sight = _kafka(ranges={(TRANSACTIONS, 0): (50, 90), (TRANSACTIONS, 1): (50, 90)})
    offsets = {(TRANSACTIONS, 0): 20, (TRANSACTIONS, 1): 60}
    (found,) = check_ledger_against_kafka(sight, "c", offsets)
    assert "offsets 20 to 49 of transactions[0] were deleted" in str(found)


def test_clocks_and_versions() -> None:
    old = PostgresState((), version=14, skew_seconds=-9.0)
    texts = [str(finding) for finding in check_postgres(old, Settings({}))]
    assert texts[:2] == [
        "PostgreSQL: version 14 is too old; upgrade to 15 or newer",
        "PostgreSQL: its clock differs from this machine's by -9.0 s; set both by NTP",
    ]
    assert [str(finding) for finding in _check("5.0.1", 9.0)] == [
        "MongoDB: version 5.0.1 is too old; upgrade to 6 or newer",
        "MongoDB: its clock differs from this machine's by +9.0 s; set both by NTP",
    ]


@pytest.mark.parametrize(
    ("changed", "code", "said"),
    [
        ({}, 0, "all is well: settings, stores"),
        ({"POSTGRES_READER_PASSWORD": "no"}, 1, "problem: PostgreSQL at"),
        ({"ANOMALY_HIGH_VALUE": "10"}, 0, "note: Rules: high_value compares with 5000.00"),
        ({"KAFKA_PARTITIONS": "many"}, 1, "problem: GLOBALMART_KAFKA_PARTITIONS"),
    ],
)
async def test_the_command(shop: Shop, changed: dict[str, str], code: int, said: str) -> None:
    environ = shop.variables | {f"GLOBALMART_{name}": value for name, value in changed.items()}
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", "doctor", "--no-machine"],
        env=os.environ | environ,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert (done.returncode, said in done.stdout) == (code, True), done.stdout + done.stderr


async def test_copies_that_stand_still(shop: Shop) -> None:
    async with shop.database.owner() as connection:
        await connection.execute(
            "INSERT INTO dead_letters (source_topic, source_partition, source_offset, reason, detail, stage, "
            "kafka_time, position, created_at) "
            "SELECT 'transactions', 0, n, 'malformed_json', '', 'decode', now(), nullif(n, 3), "
            "now() - interval '5 minutes' FROM generate_series(1, 3) AS n"
        )
        await connection.execute(
            "UPDATE outbox_progress SET numbered_position = 2, published_position = 1 WHERE stream = 'dead_letters'"
        )
    found = await _one(shop)
    assert "2 rows are not copied to the topic dead_letters, the oldest for 30" in found
    assert "see Kafka's answers in its log" in found
    shown = _console(await collect_status(shop.settings(), 0.1))
    assert "dead_letters: 2 copies are waiting, the oldest for 30" in shown


def test_a_topic_that_has_no_room_for_dead_letters() -> None:
    roomy = {topic.name: 1_000_000 for topic in TOPICS} | {DEAD_LETTERS: 1_065_536}
    assert list(check_kafka(_kafka(largest_bytes=roomy), KafkaSettings(), 300)) == []
    narrow = roomy | {DEAD_LETTERS: 1_065_535}
    (found,) = check_kafka(_kafka(largest_bytes=narrow), KafkaSettings(), 300)
    assert "dead_letters accepts records of 1,065,535 bytes, the source topics of 1,000,000" in str(found)
    assert "set max.message.bytes=1065536 on dead_letters" in str(found)


def _console(status: Status) -> str:
    console = Console(width=220, record=True, file=io.StringIO())
    console.print(view(status))
    return console.export_text()
