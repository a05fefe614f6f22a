"""The composition root of the commands about dead letters: connections in, answers out."""

import asyncio
import getpass
import socket
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import asyncpg

from app.kafka.producer import ReplaySender
from app.kafka.reader import KafkaReader, Record
from app.ops.dead_letters.claims import count_unsettled, only_replay, settle
from app.ops.dead_letters.correction import Correction
from app.ops.dead_letters.errors import DeadLetterError
from app.ops.dead_letters.replay import Reached, Replayed, Replayer
from app.ops.dead_letters.repository import Filter, StoredDeadLetter, list_letters, matching_ids, read_letters
from app.ops.dead_letters.validation import time_limits
from app.postgres.connections import connect_worker
from app.postgres.errors import translate_errors
from app.postgres.migrate import require_schema
from app.security.kafka import librdkafka_options
from app.settings import Settings

_POLL_SECONDS: Final = 0.2


@dataclass(frozen=True, slots=True)
class Result:
    """What a replay did, and the letters afterwards."""

    replayed: Replayed
    letters: list[StoredDeadLetter]


async def page(settings: Settings, wanted: Filter, *, before: int | None, limit: int) -> list[StoredDeadLetter]:
    """A page of letters, newest first, with the outcomes known by now."""
    async with _connection(settings) as connection:
        await settle(connection)
        return await list_letters(connection, wanted, before=before, limit=limit)


async def one(settings: Settings, letter_id: int) -> tuple[StoredDeadLetter, Record | None]:
    """A letter, and its record with all headers while Kafka still holds it."""
    async with _connection(settings) as connection:
        await settle(connection)
        found = await read_letters(connection, [letter_id])
    if not found:
        raise DeadLetterError(f"no such dead letter: {letter_id}")
    return found[0], await _source_record(settings, found[0])


async def matching(settings: Settings, wanted: Filter) -> list[int]:
    """Ids of all letters that match."""
    async with _connection(settings) as connection:
        return await matching_ids(connection, wanted)


async def replay(
    settings: Settings,
    ids: Sequence[int],
    correction: Correction,
    *,
    by: str,
    anyway: bool = False,
    wait_seconds: float = 0.0,
    reached: Reached = lambda _: None,
) -> Result:
    """Put letters back and wait so long for the worker's verdict; raises LockHeldError beside another one."""
    async with _connection(settings) as connection, only_replay(connection):
        # A letter that was sent is found also behind somebody's open transaction.
        with KafkaReader(librdkafka_options(settings.kafka), uncommitted=True) as kafka:
            replayer = Replayer(
                connection, kafka, ReplaySender(settings.kafka), time_limits(settings.stream), by, reached
            )
            replayed = await replayer.replay(ids, correction, anyway=anyway)
        deadline = time.monotonic() + wait_seconds
        await settle(connection)
        while await count_unsettled(connection, ids) and time.monotonic() <= deadline:
            await asyncio.sleep(_POLL_SECONDS)
            await settle(connection)
        return Result(replayed, await read_letters(connection, ids))


def operator() -> str:
    """Who runs this, for the books: user@host."""
    return f"{getpass.getuser()}@{socket.gethostname()}"


@asynccontextmanager
async def _connection(settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    with translate_errors(settings.postgres):
        connection = await connect_worker(settings.postgres, "globalmart-dead-letters")
    try:
        await require_schema(connection)
        yield connection
    finally:
        if not connection.is_closed():
            await connection.close()


async def _source_record(settings: Settings, letter: StoredDeadLetter) -> Record | None:
    with KafkaReader(librdkafka_options(settings.kafka)) as kafka:
        if letter.partition not in await kafka.partitions(letter.topic):
            return None
        low, high = await kafka.bounds(letter.topic, letter.partition)
        if not low <= letter.offset < high:
            return None
        end = letter.offset + 1
        async for batch in kafka.read(letter.topic, letter.partition, letter.offset, end):
            return batch[0]
    return None
