"""The worker's decoder and the recount were written apart; on mutated records they say the same.

Every topic, thousands of seeded mutations of valid records: bytes changed, fields replaced, doubled, left out, odd
numbers, texts and times. Verdict, cents, instants and stored values must agree.
"""

import json
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final

import pytest

from app.events.decoding import (
    EPOCH,
    MICROSECOND,
    Decoder,
    TimeLimits,
    cart_event_decoder,
    product_view_decoder,
    system_metric_decoder,
    transaction_decoder,
)
from app.reconcile.fields import COLUMNS, RefusedError
from app.reconcile.judging import Rules, judge
from app.reconcile.reading import Record as RecountRecord
from app.topics import CART_EVENTS, PRODUCT_VIEWS, SOURCE_TOPICS, SYSTEM_METRICS, TRANSACTIONS
from tests.events.records import Record
from tests.reconcile.examples import KEYS, TIME_MS, VALID

_MUTATIONS: Final = 4000
_LIMITS: Final = TimeLimits(300_000_000, 400 * 86_400_000_000)
_RULES: Final = Rules(300, 400)
_DECODERS: Final[dict[str, Decoder[Any]]] = {
    TRANSACTIONS: transaction_decoder(_LIMITS),
    PRODUCT_VIEWS: product_view_decoder(_LIMITS),
    CART_EVENTS: cart_event_decoder(_LIMITS),
    SYSTEM_METRICS: system_metric_decoder(_LIMITS),
}
_NOW: Final = datetime.fromtimestamp(TIME_MS / 1000, UTC)

#: JSON texts that are put in the place of a value.
_LITERALS: Final = (
    "null", "true", "0", "-0", "-1", "1.0", "1e2", "1E-2", "1e400", "-1e400", "1e-400", "0.005", "0.0049",
    "9999999999.99", "9999999999.994", "9999999999.995", "1000000", "1000001", "12345678901234567890", "01",
    '""', '" "', '"1"', '"1.005"', '"+1"', '"1e1"', '"NaN"', '"\\u0000"', '"\\\\u0000"', '"\\ud800"',
    '"\\ud83d\\ude00"', '"\\u0031"', "NaN", "Infinity", "[]", "{}", '{"a": 1}', '"add"', '"checkout"', '"ADD"',
    json.dumps("x" * 50), json.dumps("x" * 51), json.dumps("x" * 100), json.dumps("x" * 101),
    json.dumps("\u00e9" * 100, ensure_ascii=False), json.dumps("\u00e9" * 101),
    "1" + "0" * 400, "0." + "0" * 400 + "1", "1e99999999999999999999", "1e-99999999999999999999",
    '"2026-02-30T00:00:00Z"', '"2026-03-01T12:00:00"', '"2026-03-01 12:00:00z"', '"2026-03-01T24:00:00Z"',
    '"2026-03-01T12:00:60Z"', '"2026-03-01T12:00:00.1234567Z"', '"2026-03-01T12:00:00.9999999Z"',
    '"2026-03-01T12:00:00+14:00"', '"2026-03-01T12:00:00-00:00"', '"0001-01-01T00:00:00+01:00"',
    '"9999-12-31T23:59:59Z"', '"2026-03-01"', '"2026-03-01T12:00Z"', '"2026-03-01T12:00:00,5Z"',
)  # fmt: skip


def _times(random: Random) -> str:
    """An instant near the limits of the contract."""
    seconds = random.choice(
        (299, 300, 301, -400 * 86_400, -400 * 86_400 - 1, random.randint(-999, 999))
    )
    return json.dumps((_NOW + timedelta(seconds=seconds)).isoformat())


def _mutated(random: Random, topic: str) -> bytes:
    pairs = [(name, json.dumps(value)) for name, value in VALID[topic].items()]
    for _ in range(random.randint(1, 2)):
        place = random.randrange(len(pairs))
        name, text = pairs[place]
        action = random.randrange(6)
        if action == 0:
            pairs.pop(place)
        elif action == 1:
            pairs.append((name, random.choice(_LITERALS)))
        elif action == 2 and "timestamp" in dict(pairs):
            pairs = [(n, _times(random) if n == "timestamp" else t) for n, t in pairs]
        elif action == 3:
            pairs.append((f"unknown{place}", random.choice(_LITERALS)))
        else:
            pairs[place] = (name, random.choice(_LITERALS) if action == 4 else text)
        if not pairs:
            break
    value = ("{" + ", ".join(f'"{name}": {text}' for name, text in pairs) + "}").encode()
    return _scratched(random, value) if random.random() < 0.2 else value


def _scratched(random: Random, value: bytes) -> bytes:
    changed = bytearray(value)
    for _ in range(random.randint(1, 3)):
        changed[random.randrange(len(changed))] = random.randrange(256)
    return bytes(changed)


def _ours(topic: str, key: bytes | None, value: bytes) -> tuple[Any, ...]:
    decoded = _DECODERS[topic].decode([Record(value, key=key, timestamp=TIME_MS)])
    if decoded.dead_letters:
        return (decoded.dead_letters[0].reason.value,)
    row = decoded.rows[0]._asdict()
    fields = {name: row.get(name) for name in COLUMNS[topic]}
    fields["timestamp"] = (row["timestamp"] - EPOCH) // MICROSECOND
    if topic == TRANSACTIONS:
        fields["total_amount"] = row["amount_cents"]
    flags = bool(decoded.rounded_offsets), bool(decoded.assumed_utc_offsets)
    return ("accepted", *fields.values(), *flags)


def _theirs(topic: str, key: bytes | None, value: bytes) -> tuple[Any, ...]:
    try:
        event = judge(topic, RecountRecord(0, key, value, TIME_MS), _RULES)
    except RefusedError as refusal:
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
        value = _mutated(random, topic)
        key = random.choice((KEYS[topic], KEYS[topic], KEYS[topic], b"x" * 50, None))
        ours, theirs = _ours(topic, key, value), _theirs(topic, key, value)
        assert ours == theirs, value
        verdicts.add(ours[0])
    assert {
        "accepted",
        "invalid_field",
        "malformed_json",
        "key_mismatch",
        "nul_character",
    } <= verdicts
