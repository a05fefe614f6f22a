"""Records for Kafka: their ids, the serialization of their parts, and their counts."""

import hashlib
import secrets
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple

import orjson

from app.topics import SOURCE_TOPICS

JsonObject = dict[str, Any]


@dataclass(slots=True)
class TopicCounts:
    """Records of one topic: produced = stored + duplicates + dead-lettered."""

    produced: int = 0
    duplicates: int = 0
    conflicting: int = 0
    malformed: int = 0

    def expected(self) -> dict[str, int]:
        """Returns the expected counters of the ledger for these records."""
        return {
            "produced": self.produced,
            "stored": self.produced - self.duplicates - self.malformed,
            "duplicates": self.duplicates,
            "conflicting": self.conflicting,
            "dead_lettered": self.malformed,
        }


@dataclass(slots=True)
class Counts:
    """Counts per topic and per kind of injected fault, made when a record is yielded."""

    topics: dict[str, TopicCounts] = field(default_factory=lambda: {topic: TopicCounts() for topic in SOURCE_TOPICS})
    injected: Counter[str] = field(default_factory=Counter)
    malformed: Counter[str] = field(default_factory=Counter)
    forgiven: Counter[str] = field(default_factory=Counter)

    @property
    def produced(self) -> int:
        """Number of records of all topics."""
        return sum(topic.produced for topic in self.topics.values())

    def report(self) -> dict[str, object]:
        """Returns the counts as mappings for JSON, kinds in alphabetical order."""
        return {
            "topics": {name: topic.expected() for name, topic in self.topics.items()},
            "injected": dict(sorted(self.injected.items())),
            "malformed": dict(sorted(self.malformed.items())),
            "forgiven": dict(sorted(self.forgiven.items())),
        }


def run_id(seed: int | None, *circumstances: object) -> str:
    """Returns the prefix of all ids of a run: random, or a digest of seed and circumstances.

    The circumstances (mode, start, rates) distinguish a seeded history from the seeded live run after it.
    """
    if seed is None:
        return secrets.token_hex(5)
    text = repr((seed, *circumstances)).encode()
    return hashlib.blake2b(text, digest_size=5).hexdigest()


_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
_PAIRS: Final = tuple(first + second for first in _DIGITS for second in _DIGITS)


def ordered_text(number: int) -> str:
    """Returns a positive number in base 36 after the count of its digits, so that texts sort as the numbers do.

    Ids that rise fill the pages of an index; decimal ones leave them half empty, because 10 sorts before 9.
    """
    high, low = divmod(number, len(_PAIRS))
    if high:
        return _ordered_high(high) + _PAIRS[low]
    digits = _in_base_36(low)
    return _DIGITS[len(digits)] + digits


@lru_cache(maxsize=64)
def _ordered_high(high: int) -> str:
    """The text without the last two digits, which is the same for the next numbers, too."""
    digits = _in_base_36(high)
    return _DIGITS[len(digits) + 2] + digits


def _in_base_36(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, len(_DIGITS))
        digits = _DIGITS[digit] + digits
    return digits


class Ids:
    """Numbers the sessions, orders and events of one run, in an order that their texts keep."""

    __slots__ = ("_events", "_orders", "_prefix", "_sessions")

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._sessions = self._orders = self._events = 0

    def session(self) -> str:
        """Returns a new id of a session."""
        self._sessions += 1
        return f"s-{self._prefix}-{ordered_text(self._sessions)}"

    def order(self) -> str:
        """Returns a new id of a transaction."""
        self._orders += 1
        return f"t-{self._prefix}-{ordered_text(self._orders)}"

    def event(self) -> str:
        """Returns a new id of a view or cart event."""
        self._events += 1
        return f"e-{self._prefix}-{ordered_text(self._events)}"


class Record(NamedTuple):
    """Bytes for a topic; `at_us` is the Kafka timestamp in microseconds."""

    topic: str
    key: bytes
    value: bytes | None
    at_us: int


def timestamp_text(at_us: int) -> str:
    """Formats microseconds since the epoch as RFC 3339 in UTC."""
    second, microsecond = divmod(at_us, 1_000_000)
    return f"{_second_text(second)}.{microsecond:06d}Z"


@lru_cache(maxsize=4096)
def _second_text(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def money(cents: int) -> orjson.Fragment:
    """Formats cents as a JSON number with two decimals."""
    return orjson.Fragment(money_text(cents))


def money_text(cents: int) -> str:
    """Formats non-negative cents as a decimal."""
    return f"{cents // 100}.{cents % 100:02d}"


def encode(fields: JsonObject) -> bytes:
    """Serializes a JSON object."""
    return orjson.dumps(fields)
