"""Replay of dead letters: claim, send, mark; once, whatever is killed in between.

The claim is committed before the send and holds the very bytes. A replay that dies between the send and the mark leaves
a claim without a place; the next one looks for the record in Kafka from the topic's ends at the claim, by a header that
names where it was refused, and sends only what is not there. What remains is a request that was on its way to the
broker when its sender died and arrives after the next one has looked: that record is there twice, and the primary key
makes the second a counted duplicate.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import asyncpg

from app.events.decoding import TimeLimits
from app.kafka.producer import RecordPosition, ReplaySender, find_sent, topic_ends
from app.kafka.reader import KafkaReader
from app.ops.dead_letters.claims import Claim, make_claims, mark_sent, unsent_claims
from app.ops.dead_letters.correction import Correction
from app.ops.dead_letters.errors import DeadLetterError
from app.ops.dead_letters.repository import StoredDeadLetter, read_letters
from app.ops.dead_letters.validation import Attempt, refusal

_BATCH: Final = 500

Reached = Callable[[str], None]


def _nothing(_: str) -> None:
    """What every replay runs with; tests arm it to be killed at a named point."""


@dataclass(slots=True)
class Replayed:
    """What a replay did, by letter id: sent now, found sent by one that was cut off, left alone and why."""

    sent: dict[int, RecordPosition] = field(default_factory=dict)
    recovered: dict[int, RecordPosition] = field(default_factory=dict)
    refused: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Replayer:
    """Sends letters again; the caller holds the lock of `only_replay` on `connection`.

    `limits` are the worker's: what it would refuse again is not sent unless `anyway`. `reached` is told "claimed" and
    "sent" between the steps.
    """

    connection: asyncpg.Connection
    kafka: KafkaReader
    sender: ReplaySender
    limits: TimeLimits
    by: str
    reached: Reached = _nothing

    async def replay(self, ids: Sequence[int], correction: Correction, *, anyway: bool = False) -> Replayed:
        """Put the letters back; raises DeadLetterError if one does not exist or Kafka does not take it."""
        done = Replayed()
        for start in range(0, len(ids), _BATCH):
            letters = await self._read(ids[start : start + _BATCH])
            await self._finish_cut_off(letters, done)
            await self._send_fresh(letters, correction, anyway, done)
        return done

    async def _read(self, ids: Sequence[int]) -> list[StoredDeadLetter]:
        letters = await read_letters(self.connection, ids)
        unknown = sorted(set(ids) - {letter.id for letter in letters})
        if unknown:
            raise DeadLetterError(f"no such dead letter: {', '.join(map(str, unknown))}")
        return letters

    async def _finish_cut_off(self, letters: Sequence[StoredDeadLetter], done: Replayed) -> None:
        """Complete claims of a replay that was killed; their bytes stand, whatever is asked now."""
        unsent = await unsent_claims(self.connection, letters)
        for topic in sorted({claim.letter.topic for claim, _ in unsent}):
            claims = [claim for claim, _ in unsent if claim.letter.topic == topic]
            ends = [ends for claim, ends in unsent if claim.letter.topic == topic]
            since = [min(starts) for starts in zip(*ends, strict=False)]
            found = await find_sent(self.kafka, topic, [c.letter.place for c in claims], since)
            there = [claim for claim in claims if claim.letter.place in found]
            places = [found[claim.letter.place] for claim in there]
            await mark_sent(self.connection, there, places)
            done.recovered |= {c.letter.id: at for c, at in zip(there, places, strict=True)}
            await self._send([claim for claim in claims if claim not in there], done)

    async def _send_fresh(
        self, letters: Sequence[StoredDeadLetter], correction: Correction, anyway: bool, done: Replayed
    ) -> None:
        claims = []
        for letter in letters:
            if letter.replay is not None:
                if letter.replay.sent_at is not None:
                    done.refused[letter.id] = _already(letter)
                continue
            claim = self._claim(letter, correction, anyway, done)
            if claim is not None:
                claims.append(claim)
        topics = {claim.letter.topic for claim in claims}
        ends = {topic: await topic_ends(self.kafka, topic) for topic in topics}
        await make_claims(self.connection, claims, ends, self.by)
        self.reached("claimed")
        await self._send(claims, done)

    def _claim(self, letter: StoredDeadLetter, correction: Correction, anyway: bool, done: Replayed) -> Claim | None:
        try:
            key, value = correction.apply(letter.topic, letter.key, letter.value)
        except DeadLetterError as error:
            done.refused[letter.id] = str(error)
            return None
        if key is value is None:
            done.refused[letter.id] = "Kafka takes no record without key and value"
            return None
        attempt = Attempt(key, value, time.time_ns() // 1_000_000)
        again = None if anyway else refusal(letter.topic, attempt, self.limits)
        if again is not None:
            done.refused[letter.id] = f"would be refused again, {again.reason}: {again.detail}"
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
