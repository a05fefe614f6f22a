"""How far the stream has come: Kafka's end offsets beside PostgreSQL's ledger."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass

import asyncpg

from app.kafka.offsets import end_offsets
from app.settings import KafkaSettings
from app.topics import SOURCE_TOPICS


@dataclass(frozen=True, slots=True)
class TopicFigures:
    """Counts of one topic over its partitions; `lag` is records produced and not yet committed."""

    produced: int = 0
    stored: int = 0
    duplicates: int = 0
    dead_lettered: int = 0
    late: int = 0
    lag: int = 0


@dataclass(frozen=True, slots=True)
class Figures:
    """One look at the whole stream; `at_seconds` is a monotonic clock."""

    topics: Mapping[str, TopicFigures]
    anomalies: Mapping[str, int]
    at_seconds: float

    def total(self, name: str) -> int:
        """A counter summed over all topics."""
        return sum(getattr(topic, name) for topic in self.topics.values())


class FiguresReader:
    """Reads Kafka and PostgreSQL; the connection is its caller's."""

    def __init__(self, kafka: KafkaSettings, connection: asyncpg.Connection) -> None:
        self._kafka = kafka
        self._connection = connection

    async def read(self) -> Figures:
        """The ledger first, then Kafka, so that the lag is never below zero."""
        ledger = await self._connection.fetch(
            "SELECT topic, partition, next_offset, stored, duplicates, dead_lettered, late FROM stream_progress"
        )
        anomalies = await self._connection.fetch(
            "SELECT anomaly_type, count(*) AS found FROM transaction_anomalies "
            "GROUP BY anomaly_type ORDER BY anomaly_type"
        )
        ends = await asyncio.to_thread(end_offsets, self._kafka, SOURCE_TOPICS)
        return Figures(
            {topic: _figures(topic, ledger, ends) for topic in SOURCE_TOPICS},
            {row["anomaly_type"]: row["found"] for row in anomalies},
            time.monotonic(),
        )


def _figures(topic: str, ledger: list[asyncpg.Record], ends: Mapping[tuple[str, int], int]) -> TopicFigures:
    rows = {row["partition"]: row for row in ledger if row["topic"] == topic}
    partitions = {partition: end for (name, partition), end in ends.items() if name == topic}
    return TopicFigures(
        produced=sum(partitions.values()),
        stored=sum(row["stored"] for row in rows.values()),
        duplicates=sum(row["duplicates"] for row in rows.values()),
        dead_lettered=sum(row["dead_lettered"] for row in rows.values()),
        late=sum(row["late"] for row in rows.values()),
        lag=sum(
            end - (rows[partition]["next_offset"] if partition in rows else 0) for partition, end in partitions.items()
        ),
    )
