"""The same job as Faust's documentation would write it: Records, hopping tables, an insert per event.

Run with `faust -A tests.bench.plain_faust worker`; GLOBALMART_* as usual.
"""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import asyncpg
import faust
from confluent_kafka.admin import AdminClient, NewTopic

from app.postgres.connections import connect_worker
from app.settings import Settings, load_settings
from app.topics import TRANSACTIONS

CREATE_TABLES = """
CREATE TABLE IF NOT EXISTS plain_transactions (
    transaction_id TEXT PRIMARY KEY, user_id TEXT NOT NULL, timestamp TIMESTAMPTZ NOT NULL,
    total_amount NUMERIC(12, 2) NOT NULL, category TEXT, country TEXT, payment_method TEXT,
    quantity INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS plain_transactions_user ON plain_transactions (user_id, timestamp);
CREATE TABLE IF NOT EXISTS plain_anomalies (
    transaction_id TEXT, anomaly_type TEXT, PRIMARY KEY (transaction_id, anomaly_type));
GRANT SELECT, INSERT ON plain_transactions, plain_anomalies TO globalmart_worker"""

_INSERT = """
INSERT INTO plain_transactions VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING"""
_INSERT_ANOMALY = "INSERT INTO plain_anomalies VALUES ($1, $2) ON CONFLICT DO NOTHING"


TABLES = ("plain_by_category", "plain_by_country", "plain_velocity")


def create_changelogs(settings: Settings) -> None:
    """Create the changelog topics beforehand: Faust's own creation races with the first table write."""
    group = f"{settings.kafka.group}-plain"
    topics = [NewTopic(f"{group}-{table}-changelog", settings.kafka.partitions, 1) for table in TABLES]
    admin = AdminClient({"bootstrap.servers": settings.kafka.bootstrap})
    for created in admin.create_topics(topics).values():
        created.result(20)


class Transaction(faust.Record):
    """An order as a Faust record."""

    transaction_id: str
    user_id: str
    timestamp: str
    total_amount: Any
    category: str | None = None
    country: str | None = None
    payment_method: str | None = None
    quantity: int = 1


def create_app(settings: Settings) -> faust.App:
    """One agent, three hopping tables, one insert per event."""
    app = faust.App(
        f"{settings.kafka.group}-plain",
        broker=f"kafka://{settings.kafka.bootstrap}",
        store="memory://",
        datadir=str(settings.general.var_dir / "faust"),
        topic_partitions=settings.kafka.partitions,
        topic_replication_factor=1,
        web_enabled=False,
        topic_disable_leader=True,
    )
    topic = app.topic(TRANSACTIONS, value_type=Transaction)
    tables = [
        app.Table(name, default=default, partitions=settings.kafka.partitions).hopping(60, 30)
        for name, default in zip(TABLES, (Decimal, Decimal, int), strict=True)
    ]
    connections: list[asyncpg.Connection] = []

    @app.agent(topic)
    async def transactions(stream: Any) -> None:
        by_category, by_country, velocity = tables
        async for event in stream:
            if not connections:
                connections.append(await connect_worker(settings.postgres, "plain"))
            amount = Decimal(str(event.total_amount))
            by_category[event.category] += amount
            by_country[event.country] += amount
            velocity[event.user_id] += 1
            await _store(connections[0], event, amount, velocity[event.user_id].current(), settings)

    return app


async def _store(
    connection: asyncpg.Connection, event: Transaction, amount: Decimal, recent: int, settings: Settings
) -> None:
    timestamp = datetime.fromisoformat(event.timestamp)
    if timestamp.tzinfo is None:
        timestamp = timestamp.replace(tzinfo=UTC)
    await connection.execute(
        _INSERT,
        event.transaction_id,
        event.user_id,
        timestamp,
        amount,
        event.category,
        event.country,
        event.payment_method,
        event.quantity,
    )
    rules = settings.anomaly
    for name, raised in (
        ("high_value", amount > rules.high_value),
        ("unusual_quantity", event.quantity >= rules.unusual_quantity),
        ("rapid_transactions", recent > rules.rapid_transactions),
    ):
        if raised:
            await connection.execute(_INSERT_ANOMALY, event.transaction_id, name)


def __getattr__(name: str) -> Any:
    if name != "app":
        raise AttributeError(name)
    app = globals()["app"] = create_app(load_settings())
    return app
