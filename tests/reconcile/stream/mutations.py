"""Seeded mutations of valid events: bytes changed, fields replaced, doubled, left out, odd numbers, texts and times."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final

#: JSON texts that are put in the place of a value.
LITERALS: Final = (
    "null",
    "true",
    "0",
    "-0",
    "-1",
    "1.0",
    "1e2",
    "1E-2",
    "1e400",
    "-1e400",
    "1e-400",
    "0.005",
    "0.0049",
    "9999999999.99",
    "9999999999.994",
    "9999999999.995",
    "1000000",
    "1000001",
    "12345678901234567890",
    "01",
    '""',
    '" "',
    '"1"',
    '"1.005"',
    '"+1"',
    '"1e1"',
    '"NaN"',
    '"\\u0000"',
    '"\\\\u0000"',
    '"\\ud800"',
    '"\\ud83d\\ude00"',
    '"\\u0031"',
    "NaN",
    "Infinity",
    "[]",
    "{}",
    '{"a": 1}',
    '"add"',
    '"checkout"',
    '"ADD"',
    json.dumps("x" * 50),
    json.dumps("x" * 51),
    json.dumps("x" * 100),
    json.dumps("x" * 101),
    json.dumps("\u00e9" * 100, ensure_ascii=False),
    json.dumps("\u00e9" * 101),
    "1" + "0" * 400,
    "0." + "0" * 400 + "1",
    "1e99999999999999999999",
    "1e-99999999999999999999",
    '"2026-02-30T00:00:00Z"',
    '"2026-03-01T12:00:00"',
    '"2026-03-01 12:00:00z"',
    '"2026-03-01T24:00:00Z"',
    '"2026-03-01T12:00:60Z"',
    '"2026-03-01T12:00:00.1234567Z"',
    '"2026-03-01T12:00:00.9999999Z"',
    '"2026-03-01T12:00:00+14:00"',
    '"2026-03-01T12:00:00-00:00"',
    '"0001-01-01T00:00:00+01:00"',
    '"0001-01-01T00:00:00Z"',
    '"0001-01-01T00:00:00.000001Z"',
    '"0001-01-01T00:00:00-05:00"',
    '"0025-11-29T10:00:00Z"',
    '"1582-10-10T12:00:00Z"',
    '"1969-12-31t23:59:59.999999999z"',
    '"1970-01-01T00:00:00Z"',
    '"9999-12-31T23:59:59.999999Z"',
    '"9999-12-31T23:59:59-14:00"',
    '"2026-06-30T23:59:60Z"',
    '"9999-12-31T23:59:59Z"',
    '"2026-03-01"',
    '"2026-03-01T12:00Z"',
    '"2026-03-01T12:00:00,5Z"',
)


def _times(random: Random, now: datetime) -> str:
    """An instant near the limits of the contract."""
    seconds = random.choice((299, 300, 301, -400 * 86_400, -400 * 86_400 - 1, random.randint(-999, 999)))
    return json.dumps((now + timedelta(seconds=seconds)).isoformat())


def mutated(random: Random, event: Mapping[str, Any], now: datetime) -> bytes:
    """The event as JSON with one or two things about it changed; `now` is its record's Kafka timestamp."""
    pairs = [(name, json.dumps(value)) for name, value in event.items()]
    for _ in range(random.randint(1, 2)):
        place = random.randrange(len(pairs))
        name, text = pairs[place]
        action = random.randrange(6)
        if action == 0:
            pairs.pop(place)
        elif action == 1:
            pairs.append((name, random.choice(LITERALS)))
        elif action == 2 and "timestamp" in dict(pairs):
            pairs = [(n, _times(random, now) if n == "timestamp" else t) for n, t in pairs]
        elif action == 3:
            pairs.append((f"unknown{place}", random.choice(LITERALS)))
        else:
            pairs[place] = (name, random.choice(LITERALS) if action == 4 else text)
        if not pairs:
            break
    value = ("{" + ", ".join(f'"{name}": {text}' for name, text in pairs) + "}").encode()
    return scratched(random, value) if random.random() < 0.2 else value


def scratched(random: Random, value: bytes) -> bytes:
    """The value with up to three bytes changed to anything."""
    changed = bytearray(value)
    for _ in range(random.randint(1, 3)):
        changed[random.randrange(len(changed))] = random.randrange(256)
    return bytes(changed)
