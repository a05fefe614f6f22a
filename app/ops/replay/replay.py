"""`globalmart replay`, composed: out of Kafka in place, out of Parquet through the stream."""

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
    """Put back rows of the days that Kafka still has; and how the sums of the days touched compare."""
    with KafkaReader(librdkafka_options(settings.kafka)) as kafka:
        async with exclusive_owner(settings.postgres) as connection:
            restorer = KafkaReplay(settings, connection, kafka)
            done = await restorer.run(midnight(first), midnight(last) + timedelta(days=1))
    checks = [await repair(settings, day.date(), day.date(), apply=False) for day in sorted(done.days)]
    return done, checks


async def replay_batches(
    settings: Settings, batches: Iterable[RowBatch], *, wait_seconds: float
) -> tuple[ImportResult, bool]:
    """Send what PostgreSQL lacks of batches of history; whether workers consumed it all in time."""
    sender = ReplaySender(settings.kafka)
    async with exclusive_owner(settings.postgres) as connection:
        feeder = HistoryImporter(settings, connection, sender)
        for batch in batches:
            await feeder.feed(batch, _now_ms())
        deadline = time.monotonic() + wait_seconds
        while not await feeder.consumed():
            if time.monotonic() > deadline:
                return feeder.done, False
            await asyncio.sleep(_POLL_SECONDS)
        return feeder.done, True


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
