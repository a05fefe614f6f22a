"""The composition root of the commands about dead letters: opens connections, returns results.

A replay sends each dead letter once, whatever is killed in between: claim, send, mark. The claim is committed before
the send and has the exact bytes. A replay killed between send and mark leaves a claim without a position; the next
replay searches the record in Kafka from the topic's ends at the claim, by a header with the position of the rejected
record, and sends only missing ones. One case remains: a request in flight when its sender was killed, which arrives
after that search. Then the record is in Kafka twice, and the primary key makes the second a counted duplicate.
"""

import asyncio
import getpass
import socket
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import asyncpg

from app.events.decoding import TimeLimits
from app.kafka.producer import RecordPosition, ReplaySender, find_sent, topic_ends
from app.kafka.reader import KafkaReader, Record
from app.ops.dead_letters.correction import Correction, DeadLetterError
from app.ops.dead_letters.repository import (
    Claim,
    Filter,
    StoredDeadLetter,
    count_unsettled,
    list_letters,
    make_claims,
    mark_sent,
    matching_ids,
    only_replay,
    read_letters,
    settle,
    unsent_claims,
)
from app.ops.dead_letters.validation import Attempt, refusal, time_limits
from app.postgres.connections import connect_worker, translate_errors
from app.postgres.migrate import require_schema
from app.security import librdkafka_options
from app.settings import Settings

_BATCH: Final = 500
Reached = Callable[[str], None]
_POLL_SECONDS: Final = 0.2


def _nothing(_: str) -> None:
    """The production callback; tests use another one to kill the replay at a named step."""


@dataclass(slots=True)
class Replayed:
    """The result of a replay by id: sent now, found as sent by an interrupted replay, refused and why."""

    sent: dict[int, RecordPosition] = field(default_factory=dict)
    recovered: dict[int, RecordPosition] = field(default_factory=dict)
    refused: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Replayer:
    """Replays dead letters; the caller holds the lock of `only_replay` on `connection`.

    `limits` are the worker's: a record that it would reject again is not sent, unless `force`. `reached` is called
    with "claimed" and "sent" between the steps.
    """

    connection: asyncpg.Connection
    kafka: KafkaReader
    sender: ReplaySender
    limits: TimeLimits
    by: str
    reached: Reached = _nothing

    async def replay(self, ids: Sequence[int], correction: Correction, *, force: bool = False) -> Replayed:
        """Sends the dead letters; raises DeadLetterError if one does not exist or Kafka does not accept it."""
        done = Replayed()
        for start in range(0, len(ids), _BATCH):
            letters = await self._read(ids[start : start + _BATCH])
            await self._finish_interrupted(letters, done)
            await self._send_new(letters, correction, force, done)
        return done

    async def _read(self, ids: Sequence[int]) -> list[StoredDeadLetter]:
        letters = await read_letters(self.connection, ids)
        unknown = sorted(set(ids) - {letter.id for letter in letters})
        if unknown:
            raise DeadLetterError(f"no such dead letter: {', '.join(map(str, unknown))}")
        return letters

    async def _finish_interrupted(self, letters: Sequence[StoredDeadLetter], done: Replayed) -> None:
        """Completes the claims of a killed replay, with their original bytes, whatever the correction is now."""
        unsent = await unsent_claims(self.connection, letters)
        for topic in sorted({claim.letter.topic for claim, _ in unsent}):
            claims = [claim for claim, _ in unsent if claim.letter.topic == topic]
            ends = [ends for claim, ends in unsent if claim.letter.topic == topic]
            since = [min(starts) for starts in zip(*ends, strict=False)]
            found = await find_sent(self.kafka, topic, [c.letter.place for c in claims], since)
            sent = [claim for claim in claims if claim.letter.place in found]
            places = [found[claim.letter.place] for claim in sent]
            await mark_sent(self.connection, sent, places)
            done.recovered |= {c.letter.id: at for c, at in zip(sent, places, strict=True)}
            await self._send([claim for claim in claims if claim not in sent], done)

    async def _send_new(
        self, letters: Sequence[StoredDeadLetter], correction: Correction, force: bool, done: Replayed
    ) -> None:
        claims = []
        for letter in letters:
            if letter.replay is not None:
                if letter.replay.sent_at is not None:
                    done.refused[letter.id] = _already(letter)
                continue
            claim = self._claim(letter, correction, force, done)
            if claim is not None:
                claims.append(claim)
        topics = {claim.letter.topic for claim in claims}
        ends = {topic: await topic_ends(self.kafka, topic) for topic in topics}
        await make_claims(self.connection, claims, ends, self.by)
        self.reached("claimed")
        await self._send(claims, done)

    def _claim(self, letter: StoredDeadLetter, correction: Correction, force: bool, done: Replayed) -> Claim | None:
        try:
            key, value = correction.apply(letter.topic, letter.key, letter.value)
        except DeadLetterError as error:
            done.refused[letter.id] = str(error)
            return None
        if key is value is None:
            done.refused[letter.id] = "Kafka accepts no record without key and value"
            return None
        attempt = Attempt(key, value, time.time_ns() // 1_000_000)
        again = None if force else refusal(letter.topic, attempt, self.limits)
        if again is not None:
            done.refused[letter.id] = f"would be rejected again, {again.reason}: {again.detail}"
            return None
        return Claim(letter, key, value)

    async def _send(self, claims: Sequence[Claim], done: Replayed) -> None:
        if not claims:
            return
        records = [claim.outgoing for claim in claims]
        places = self.sender.send(records, time.time_ns() // 1_000_000)
        self.reached("sent")
        await mark_sent(self.connection, claims, places)
        done.sent |= {claim.letter.id: place for claim, place in zip(claims, places, strict=True)}


def _already(letter: StoredDeadLetter) -> str:
    replay = letter.replay
    assert replay is not None and replay.sent_at is not None
    place = f"{letter.topic}[{replay.sent_partition}]@{replay.sent_offset}"
    return f"replayed before, by {replay.requested_by} at {replay.sent_at:%Y-%m-%d %H:%M:%S}Z to {place}"


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a replay, and the dead letters after it."""

    replayed: Replayed
    letters: list[StoredDeadLetter]


async def page(settings: Settings, wanted: Filter, *, before: int | None, limit: int) -> list[StoredDeadLetter]:
    """Returns a page of dead letters, newest first, with their current outcomes."""
    async with _connection(settings) as connection:
        await settle(connection)
        return await list_letters(connection, wanted, before=before, limit=limit)


async def one(settings: Settings, letter_id: int) -> tuple[StoredDeadLetter, Record | None]:
    """Returns a dead letter, and its record with all headers while Kafka still has it."""
    async with _connection(settings) as connection:
        await settle(connection)
        found = await read_letters(connection, [letter_id])
    if not found:
        raise DeadLetterError(f"no such dead letter: {letter_id}")
    return found[0], await _source_record(settings, found[0])


async def matching(settings: Settings, wanted: Filter) -> list[int]:
    """Returns the ids of all matching dead letters."""
    async with _connection(settings) as connection:
        return await matching_ids(connection, wanted)


async def replay(
    settings: Settings,
    ids: Sequence[int],
    correction: Correction,
    *,
    by: str,
    force: bool = False,
    wait_seconds: float = 0.0,
    reached: Reached = lambda _: None,
) -> Result:
    """Replays dead letters and waits for their outcomes; raises LockHeldError while another replay runs."""
    async with _connection(settings) as connection, only_replay(connection):
        # Uncommitted: a record sent earlier is also found behind another producer's open transaction.
        with KafkaReader(librdkafka_options(settings.kafka), uncommitted=True) as kafka:
            replayer = Replayer(
                connection, kafka, ReplaySender(settings.kafka), time_limits(settings.stream), by, reached
            )
            replayed = await replayer.replay(ids, correction, force=force)
        deadline = time.monotonic() + wait_seconds
        await settle(connection)
        while await count_unsettled(connection, ids) and time.monotonic() <= deadline:
            await asyncio.sleep(_POLL_SECONDS)
            await settle(connection)
        return Result(replayed, await read_letters(connection, ids))


def operator() -> str:
    """Returns who runs this, for the record: user@host."""
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
