"""Fills real stores the way a faultless worker would, without any code of a worker."""

import json
from collections.abc import Iterable
from typing import Any, Final

import asyncpg
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from app.topics import ANOMALIES, DEAD_LETTERS, TOPICS
from tests.reconcile.stream.scripted import (
    ANOMALY_ROWS,
    JUDGED_ROWS,
    KAFKA_TIME,
    LEDGER_ROWS,
    TRANSACTION_ROWS,
    Sent,
    at,
)
from tests.support.waiting import PATIENCE_SECONDS

PARTITIONS: Final = 2
_ANSWER_SECONDS: Final = 30.0

_SLOTS: Final = (
    ("sales_panes", "pane_start", "date_bin('30 seconds', timestamp, '2000-01-01Z')"),
    ("sales_hourly", "hour", "date_trunc('hour', timestamp, 'UTC')"),
    ("sales_daily", "day", "date_trunc('day', timestamp, 'UTC')"),
    ("sales_weekly", "week", "date_trunc('week', timestamp, 'UTC')"),
)
_COUNTRY_SLOTS: Final = (
    ("revenue_minutely", "minute", "date_trunc('minute', timestamp, 'UTC')"),
    ("revenue_hourly", "hour", "date_trunc('hour', timestamp, 'UTC')"),
    ("revenue_daily", "day", "date_trunc('day', timestamp, 'UTC')"),
)


def recreate_topics(bootstrap: str) -> None:
    """Empty topics with offsets that begin at 0."""
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    names = [topic.name for topic in TOPICS]
    present = [name for name in names if name in admin.list_topics(timeout=PATIENCE_SECONDS).topics]
    for answer in admin.delete_topics(present).values() if present else ():
        answer.result(_ANSWER_SECONDS)
    # The records' Kafka time lies in the past: without this the broker would soon delete them.
    keep = {"retention.ms": "-1"}
    topics = [NewTopic(name, PARTITIONS, 1, config=keep) for name in names]
    for answer in admin.create_topics(topics).values():
        answer.result(_ANSWER_SECONDS)


def delete_topics(bootstrap: str) -> None:
    """Leave no topic with this module's number of partitions behind."""
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    for answer in admin.delete_topics([topic.name for topic in TOPICS]).values():
        answer.result(_ANSWER_SECONDS)


def delete_head(bootstrap: str, topic: str, partition: int, before: int) -> None:
    """Let Kafka forget the records below an offset, as retention does."""
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    for answer in admin.delete_records([TopicPartition(topic, partition, before)]).values():
        answer.result(_ANSWER_SECONDS)


def send(bootstrap: str, records: Iterable[Sent]) -> None:
    """Send records to the partitions they name, all with the same Kafka time."""
    producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True})
    time_ms = int(KAFKA_TIME.timestamp() * 1000)
    for record in records:
        producer.produce(record.topic, record.value, record.key, record.partition, timestamp=time_ms)
    assert producer.flush(PATIENCE_SECONDS) == 0


def cluster_id(bootstrap: str) -> str:
    """The id of the running Kafka."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "cluster-id"})
    try:
        return str(consumer.list_topics(timeout=PATIENCE_SECONDS).cluster_id)
    finally:
        consumer.close()


async def fill(connection: Any, records: list[Sent], cluster: str) -> None:
    """Everything a faultless worker has stored of the hand-written stream."""
    await connection.execute("INSERT INTO stream_source (cluster_id) VALUES ($1)", cluster)
    await connection.executemany(
        "INSERT INTO stream_progress (topic, partition, next_offset, watermark, consumed, stored, "
        "duplicates, conflicting, dead_lettered, late, rounded, assumed_utc) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        LEDGER_ROWS,
    )
    await _insert(connection, "transactions", TRANSACTION_ROWS)
    view = ("e1", "u1", "s1", at(0), "p1", None, None, 0, 0)
    await _insert(connection, "product_views", [view])
    cart = ("e1", "u1", "s1", at(0), "p1", "add", 2, "", None, 0, 0)
    await _insert(connection, "cart_events", [cart])
    await _insert(connection, "system_metrics", [("h1", "cpu", "load", at(0), 0.1, 0, 0)])
    for table, column, slot in _SLOTS:
        await connection.execute(
            f"INSERT INTO {table} ({column}, source_partition, category, country, "
            f"transaction_count, total_amount) SELECT {slot}, source_partition, "
            f"{_label('category')}, {_label('country')}, count(*), sum(total_amount) "
            "FROM transactions GROUP BY 1, 2, 3, 4"
        )
    for table, column, slot in _COUNTRY_SLOTS:
        await connection.execute(
            f"INSERT INTO {table} ({column}, source_partition, country, transaction_count, "
            f"total_amount) SELECT {slot}, source_partition, {_label('country')}, count(*), "
            "sum(total_amount) FROM transactions GROUP BY 1, 2, 3"
        )
    await _fill_outbox(connection, records)
    await _fill_desk(connection)


async def _fill_desk(connection: Any) -> None:
    """What came of the orders by edition 1, which is migrated: every verdict has one reason and opens a case."""
    await connection.execute("INSERT INTO judged_from VALUES ('transactions', 0, 0, 1), ('transactions', 1, 0, 1)")
    for row, judged in zip(ANOMALY_ROWS, JUDGED_ROWS, strict=True):
        name, user, amount, _, rule, description, time, _ = row
        _, severity, weight, partition, offset, title, measure, threshold = judged
        reason = {
            "rule_id": rule,
            "rule_version": 1,
            "name": title,
            "severity": severity,
            "weight": weight,
            "measure": measure,
            "threshold": threshold,
            "description": description,
            "suppressed": False,
        }
        await connection.execute(
            "INSERT INTO verdicts (transaction_id, user_id, amount, event_time, detected_at, edition, risk_score, "
            "action, severity, reasons, source_partition, source_offset) "
            "VALUES ($1, $2, $3, $4, now(), 1, $5, 'review', $6, $7, $8, $9)",
            *(name, user, amount, time, weight, severity, json.dumps([reason]), partition, offset),
        )
        await connection.execute(
            "INSERT INTO cases (transaction_id, severity, amount, event_time, opened_at) "
            "VALUES ($1, $2, $3, $4, now())",
            *(name, severity, amount, time),
        )


def _label(name: str) -> str:
    """What orders that name no category or country count under; the stream has no other spelling of it."""
    return f"coalesce(nullif({name}, ''), 'unknown')"


async def _insert(connection: Any, table: str, rows: list[tuple[Any, ...]]) -> None:
    places = ", ".join(f"${number}" for number in range(1, len(rows[0]) + 1))
    await connection.executemany(f"INSERT INTO {table} VALUES ({places})", rows)


async def _fill_outbox(connection: Any, records: list[Sent]) -> None:
    await connection.executemany(
        "INSERT INTO transaction_anomalies (transaction_id, user_id, amount, anomaly_score, "
        "anomaly_type, description, event_time, threshold, detected_at, position, severity, source_partition, "
        "source_offset) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, now(), $9, $10, $11, $12)",
        [
            (*row, position, judged[1], *judged[3:5])
            for position, (row, judged) in enumerate(zip(ANOMALY_ROWS, JUDGED_ROWS, strict=True), 1)
        ],
    )
    dead = dead_letters(records)
    await connection.executemany(
        "INSERT INTO dead_letters (source_topic, source_partition, source_offset, key, value, "
        "reason, detail, stage, kafka_time, position) "
        "VALUES ($1, $2, $3, $4, $5, $6, '', 'decode', $7, $8)",
        [
            (r.topic, r.partition, r.offset, r.key, r.value, r.fate, KAFKA_TIME, position)
            for position, r in enumerate(dead, 1)
        ],
    )
    await connection.executemany(
        "UPDATE outbox_progress SET numbered_position = $2, published_position = $2 WHERE stream = $1",
        [(ANOMALIES, len(ANOMALY_ROWS)), (DEAD_LETTERS, len(dead))],
    )


def dead_letters(records: list[Sent]) -> list[Sent]:
    """The records that are refused."""
    return [r for r in records if r.fate not in ("stored", "duplicate", "conflicting")]


def publish(bootstrap: str, records: list[Sent]) -> None:
    """The copies of anomalies and dead letters; one of each is sent twice."""
    producer = Producer({"bootstrap.servers": bootstrap})
    names = ("transaction_id", "user_id", "amount", "anomaly_score", "anomaly_type", "description")
    rows = [*zip(ANOMALY_ROWS, JUDGED_ROWS, strict=True)]
    for row, (_, severity, weight, *_) in [*rows, rows[0]]:
        fields: dict[str, Any] = dict(zip((*names, "event_time", "threshold"), map(str, row), strict=True))
        fields |= {"rule_version": 1, "severity": severity, "suppressed": False}
        fields |= {"risk_score": weight, "action": "review"}
        producer.produce(ANOMALIES, json.dumps(fields), f"{row[0]}:{row[4]}")
    dead = dead_letters(records)
    for record in [*dead, dead[0]]:
        producer.produce(DEAD_LETTERS, record.value, record.key, headers=_headers(record))
    assert producer.flush(PATIENCE_SECONDS) == 0


def _headers(record: Sent) -> list[tuple[str, str | bytes]]:
    return [
        ("source_topic", record.topic),
        ("source_partition", str(record.partition)),
        ("source_offset", str(record.offset)),
        ("reason", record.fate),
        ("stage", "decode"),
        ("time", KAFKA_TIME.isoformat()),
    ]


async def connect(dsn: str) -> Any:
    """A connection as the superuser."""
    return await asyncpg.connect(dsn)
