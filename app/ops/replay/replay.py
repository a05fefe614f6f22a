"""The composition of `globalmart replay`: from Kafka in place, from Parquet through the stream."""

import asyncio
import time
from collections.abc import Iterable
from datetime import date, timedelta
from typing import Final

from app.kafka.producer import ReplaySender
from app.kafka.reader import KafkaReader
from app.ops.lock import exclusive_owner, midnight
from app.ops.repair.repair import Repair, repair
from app.ops.replay.from_files import HistoryImporter, ImportResult, RowBatch
from app.ops.replay.from_kafka import KafkaReplay, KafkaReplayResult
from app.security.kafka import librdkafka_options
from app.settings import Settings

_POLL_SECONDS: Final = 0.2


async def replay_kafka(settings: Settings, first: date, last: date) -> tuple[KafkaReplayResult, list[Repair]]:
    """Restores rows of the days from Kafka; returns the result and checks of the sums of the affected days."""
    with KafkaReader(librdkafka_options(settings.kafka)) as kafka:
        async with exclusive_owner(settings.postgres) as connection:
            kafka_replay = KafkaReplay(settings, connection, kafka)
            done = await kafka_replay.run(midnight(first), midnight(last) + timedelta(days=1))
    checks = [await repair(settings, day.date(), day.date(), apply=False) for day in sorted(done.days)]
    return done, checks


async def replay_batches(
    settings: Settings, batches: Iterable[RowBatch], *, wait_seconds: float
) -> tuple[ImportResult, bool]:
    """Sends the events that PostgreSQL is missing; returns the result and whether workers consumed all in time."""
    sender = ReplaySender(settings.kafka)
    async with exclusive_owner(settings.postgres) as connection:
        importer = HistoryImporter(settings, connection, sender)
        for batch in batches:
            await importer.send(batch, _now_ms())
        deadline = time.monotonic() + wait_seconds
        while not await importer.consumed():
            if time.monotonic() > deadline:
                return importer.done, False
            await asyncio.sleep(_POLL_SECONDS)
        return importer.done, True


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
