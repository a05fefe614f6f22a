"""Ways to spoil an event so that the pipeline must refuse it.

Each kind takes the finished fields, the key and the time limits, and returns the key and the
value to send. `MALFORMED` is the table of all kinds with the topics they can happen on.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import attrgetter
from random import Random
from typing import Final

import orjson

from app.events.topics.declaration import MAX_QUANTITY, Field
from app.generator.arrivals import DAY_US
from app.generator.record import JsonObject, encode, timestamp_text
from app.topics import SOURCE_TOPICS, SOURCES

Spoiled = tuple[bytes, bytes | None]

_REQUIRED: Final = attrgetter("required")
_TEXT: Final = attrgetter("is_text")
_AMOUNT: Final = attrgetter("is_amount")
_NUMBER: Final = attrgetter("is_number")
_QUANTITY: Final = attrgetter("is_quantity")
_CHOICES: Final = attrgetter("choices")


def _names(topic: str, matches: Callable[[Field], bool]) -> tuple[str, ...]:
    """Returns the topic's fields of a kind; without the key's, which would be refused for another reason."""
    declared = SOURCES[topic]
    return tuple(field.name for field in declared.fields if matches(field) and field.name != declared.record_key)


def _topics(matches: Callable[[Field], bool]) -> tuple[str, ...]:
    return tuple(topic for topic in SOURCE_TOPICS if _names(topic, matches))


@dataclass(frozen=True, slots=True)
class Spoil:
    """One event to spoil: its fields may be changed; times are in microseconds."""

    topic: str
    fields: JsonObject
    key: bytes
    record_us: int
    future_tolerance_us: int
    rng: Random

    def name_of(self, matches: Callable[[Field], bool]) -> str:
        """Draw one of the topic's fields of a kind."""
        return self.rng.choice(_names(self.topic, matches))

    def with_field(self, name: str, value: object) -> Spoiled:
        """Return the event with one field replaced."""
        self.fields[name] = value
        return self.key, encode(self.fields)


def _broken_json(spoil: Spoil) -> Spoiled:
    value = encode(spoil.fields)
    return spoil.key, value[: spoil.rng.randrange(1, len(value))]


def _not_an_object(spoil: Spoil) -> Spoiled:
    return spoil.key, spoil.rng.choice((b"null", b"[1,2,3]", b'"order"', b"42"))


def _missing_field(spoil: Spoil) -> Spoiled:
    del spoil.fields[spoil.name_of(_REQUIRED)]
    return spoil.key, encode(spoil.fields)


def _wrong_type(spoil: Spoil) -> Spoiled:
    return spoil.with_field(spoil.name_of(_REQUIRED), spoil.rng.choice((True, ["x"], {"x": 1})))


def _bad_timestamp(spoil: Spoil) -> Spoiled:
    text = spoil.rng.choice(("yesterday", "2025-13-45T99:99:99Z", "", "01/02/2025 10:00"))
    return spoil.with_field("timestamp", text)


def _future_timestamp(spoil: Spoil) -> Spoiled:
    ahead_us = spoil.future_tolerance_us + 60_000_000 + spoil.rng.randrange(DAY_US)
    return spoil.with_field("timestamp", timestamp_text(spoil.record_us + ahead_us))


def _ancient_timestamp(spoil: Spoil) -> Spoiled:
    """Times that only a clock or a program without one can have."""
    texts = ("0001-01-01T00:00:00-05:00", "0025-11-29T10:00:00Z", "1582-10-10T12:00:00Z")
    return spoil.with_field("timestamp", spoil.rng.choice((*texts, "1899-12-30T00:00:00Z")))


def _nul_character(spoil: Spoil) -> Spoiled:
    name = spoil.name_of(_TEXT)
    return spoil.with_field(name, f"{spoil.fields.get(name, '')}\0")


def _too_long(spoil: Spoil) -> Spoiled:
    return spoil.with_field(spoil.name_of(_TEXT), "x" * spoil.rng.randrange(101, 400))


def _invalid_utf8(spoil: Spoil) -> Spoiled:
    return spoil.key, encode(spoil.fields).replace(b'":"', b'":"\xff\xfe', 1)


def _not_a_number(spoil: Spoil) -> Spoiled:
    text = spoil.rng.choice((b"NaN", b"Infinity", b"-Infinity"))
    return spoil.with_field(spoil.name_of(_NUMBER), orjson.Fragment(text))


def _negative_amount(spoil: Spoil) -> Spoiled:
    amount = f"-{spoil.rng.randrange(1, 500)}.{spoil.rng.randrange(1, 100):02d}"
    return spoil.with_field(spoil.name_of(_AMOUNT), orjson.Fragment(amount))


def _huge_amount(spoil: Spoil) -> Spoiled:
    return spoil.with_field(spoil.name_of(_AMOUNT), orjson.Fragment(b"10000000000.00"))


def _bad_quantity(spoil: Spoil) -> Spoiled:
    return spoil.with_field(spoil.name_of(_QUANTITY), spoil.rng.choice((0, -1, MAX_QUANTITY + 1, 1.5, "two")))


def _unknown_choice(spoil: Spoil) -> Spoiled:
    return spoil.with_field(spoil.name_of(_CHOICES), spoil.rng.choice(("wish", "ADD", "")))


Spoiler = Callable[[Spoil], Spoiled]
_EVERYWHERE: Final = SOURCE_TOPICS

MALFORMED: Final[dict[str, tuple[Spoiler, tuple[str, ...]]]] = {
    "broken_json": (_broken_json, _EVERYWHERE),
    "not_an_object": (_not_an_object, _EVERYWHERE),
    "missing_field": (_missing_field, _EVERYWHERE),
    "wrong_type": (_wrong_type, _EVERYWHERE),
    "bad_timestamp": (_bad_timestamp, _EVERYWHERE),
    "future_timestamp": (_future_timestamp, _EVERYWHERE),
    "ancient_timestamp": (_ancient_timestamp, _EVERYWHERE),
    "nul_character": (_nul_character, _EVERYWHERE),
    "too_long": (_too_long, _EVERYWHERE),
    "invalid_utf8": (_invalid_utf8, _EVERYWHERE),
    "wrong_key": (lambda spoil: (b"not-" + spoil.key, encode(spoil.fields)), _EVERYWHERE),
    "empty_value": (lambda spoil: (spoil.key, b""), _EVERYWHERE),
    "no_value": (lambda spoil: (spoil.key, None), _EVERYWHERE),
    "not_a_number": (_not_a_number, _topics(_NUMBER)),
    "negative_amount": (_negative_amount, _topics(_AMOUNT)),
    "huge_amount": (_huge_amount, _topics(_AMOUNT)),
    "bad_quantity": (_bad_quantity, _topics(_QUANTITY)),
    "unknown_action": (_unknown_choice, _topics(_CHOICES)),
}


def kinds_by_topic(kinds: Mapping[str, tuple[object, tuple[str, ...]]]) -> dict[str, tuple[str, ...]]:
    """Returns the kinds that can happen on each topic."""
    return {topic: tuple(kind for kind, (_, topics) in kinds.items() if topic in topics) for topic in SOURCE_TOPICS}
