"""`globalmart replay`, composed: out of Kafka in place, out of Parquet through the stream."""

import asyncio
import time
from collections.abc import Iterable
from datetime import date, timedelta
from typing import Final

from app.letters.sending import ReplaySender
from app.reconcile.reading import KafkaReader
from app.security.kafka import librdkafka_options
from app.settings import Settings
from app.upkeep.history import Fed, Feeder, Piece
from app.upkeep.repairing import Repair, repair
from app.upkeep.restoring import Restored, Restorer
from app.upkeep.session import midnight, upkeep_session

_POLL_SECONDS: Final = 0.2


async def replay_kafka(
    settings: Settings, first: date, last: date
) -> tuple[Restored, list[Repair]]:
    """Put back rows of the days that Kafka still has; and how the sums of the days touched compare."""
    with KafkaReader(librdkafka_options(settings.kafka)) as kafka:
        async with upkeep_session(settings.postgres) as connection:
            restorer = Restorer(settings, connection, kafka)
            done = await restorer.run(midnight(first), midnight(last) + timedelta(days=1))
    checks = [
        await repair(settings, day.date(), day.date(), apply=False) for day in sorted(done.days)
    ]
    return done, checks


async def replay_pieces(
    settings: Settings, pieces: Iterable[Piece], *, wait_seconds: float
) -> tuple[Fed, bool]:
    """Send what PostgreSQL lacks of pieces of history; whether workers consumed it all in time."""
    sender = ReplaySender(settings.kafka)
    async with upkeep_session(settings.postgres) as connection:
        feeder = Feeder(settings, connection, sender)
        for piece in pieces:
            await feeder.feed(piece, _now_ms())
        deadline = time.monotonic() + wait_seconds
        while not await feeder.consumed():
            if time.monotonic() > deadline:
                return feeder.done, False
            await asyncio.sleep(_POLL_SECONDS)
        return feeder.done, True


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
