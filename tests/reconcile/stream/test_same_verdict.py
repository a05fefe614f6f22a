"""The worker's decoder and the recount were written apart; on mutated records they say the same.

Every topic, thousands of seeded mutations of valid records: bytes changed, fields replaced, doubled, left out, odd
numbers, texts and times. Verdict, cents, instants and stored values must agree.
"""

from datetime import UTC, datetime
from random import Random
from typing import Any, Final

import pytest

from app.domain.timestamps import EPOCH, MICROSECOND
from app.events.decoding import Decoder, TimeLimits
from app.kafka.reader import Record as RecountRecord
from app.reconcile.stream.record_validation import COLUMNS, RejectedError, Rules, validate
from app.topics import SOURCE_TOPICS, SOURCES, TRANSACTIONS
from tests.events.records import Record
from tests.reconcile.stream.examples import KEYS, TIME_MS, VALID
from tests.reconcile.stream.mutations import mutated

_MUTATIONS: Final = 4000
_LIMITS: Final = TimeLimits(300_000_000, 400 * 86_400_000_000)
_RULES: Final = Rules(300, 400)
_DECODERS: Final = {name: Decoder(topic, _LIMITS) for name, topic in SOURCES.items()}
#: Nothing lies ahead of it, so that the end of the calendar is reached.
LAST_MS: Final = 253_402_300_799_999
_NOW: Final = datetime.fromtimestamp(TIME_MS / 1000, UTC)


def _ours(topic: str, key: bytes | None, value: bytes, time_ms: int) -> tuple[Any, ...]:
    decoded = _DECODERS[topic].decode([Record(value, key=key, timestamp=time_ms)])
    if decoded.dead_letters:
        return (decoded.dead_letters[0].reason.value,)
    row = decoded.rows[0]._asdict()
    fields = {name: row.get(name) for name in COLUMNS[topic]}
    fields["timestamp"] = (row["timestamp"] - EPOCH) // MICROSECOND
    if topic == TRANSACTIONS:
        fields["total_amount"] = row["amount_cents"]
    flags = bool(decoded.rounded_offsets), bool(decoded.assumed_utc_offsets)
    return ("accepted", *fields.values(), *flags)


def _theirs(topic: str, key: bytes | None, value: bytes, time_ms: int) -> tuple[Any, ...]:
    try:
        event = validate(topic, RecountRecord(0, key, value, time_ms), _RULES)
    except RejectedError as refusal:
        return (refusal.reason,)
    fields = dict(zip(COLUMNS[topic], event.values, strict=True))
    if topic == TRANSACTIONS:
        fields["total_amount"] = int(fields["total_amount"] * 100)
    return ("accepted", *fields.values(), event.rounded, event.assumed_utc)


@pytest.mark.parametrize("topic", SOURCE_TOPICS)
def test_worker_and_recount_agree_on_mutated_records(topic: str) -> None:
    random = Random(20260301)
    verdicts: set[str] = set()
    for _ in range(_MUTATIONS):
        value = mutated(random, VALID[topic], _NOW)
        time_ms = random.choice((*[TIME_MS] * 8, -1, LAST_MS))
        key = random.choice((KEYS[topic], KEYS[topic], KEYS[topic], b"x" * 50, None))
        ours, theirs = _ours(topic, key, value, time_ms), _theirs(topic, key, value, time_ms)
        assert ours == theirs, value
        verdicts.add(ours[0])
    assert {
        "accepted",
        "invalid_field",
        "malformed_json",
        "key_mismatch",
        "nul_character",
        "implausible_timestamp",
        "no_kafka_timestamp",
    } <= verdicts
