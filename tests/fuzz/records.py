"""Records from a seed: some good, most of them wrong in one or several ways."""

import json
import random
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from app.topics import SENT_AT_HEADER, SOURCE_TOPICS, SYSTEM_METRICS, TRANSACTIONS
from tests.reconcile.stream.examples import VALID
from tests.reconcile.stream.mutations import mutated, scratched

Headers = list[tuple[str, bytes | None]]

_USERS: Final = 2000
_HOSTS: Final = 20
_LARGE_BYTES: Final = 10_000_000
#: Kafka's mark of a record without a timestamp.
_NO_TIMESTAMP: Final = -1
#: Offsets and zones, digits of seconds, letters and separators in every combination that somebody writes.
_ZONES: Final = ("Z", "z", "", "+00:00", "-00:00", "+14:00", "-12:00", "+0530", "+01", "+24:00", "-05:00", " Z")
_FRACTIONS: Final = ("", "", ".5", ".123456", ".123456789", ".9999995", ".0000004", ".", ",5")
_CLOCKS: Final = ("00:00:00", "23:59:59", "24:00:00", "23:59:60", "12:00:60", "12:00", "1:02:03", "25:00:00")
_DAYS: Final = (
    "0000-01-01",
    "0001-01-01",
    "0001-01-02",
    "0025-11-29",
    "0099-12-31",
    "0999-12-31",
    "1000-01-01",
    "1582-10-04",
    "1582-10-05",
    "1582-10-10",
    "1582-10-14",
    "1582-10-15",
    "1600-02-29",
    "1700-02-29",
    "1752-09-10",
    "1899-12-30",
    "1900-02-29",
    "1969-12-31",
    "1970-01-01",
    "1972-06-30",
    "2016-12-31",
    "2024-02-29",
    "2025-02-29",
    "2038-01-19",
    "2262-04-12",
    "9999-12-31",
    "10000-01-01",
    "-0001-01-01",
)
#: What would harm whoever puts a text into SQL, a shell, a page, a file name or a format.
EVIL: Final = (
    "'; DROP TABLE transactions; --",
    '" OR 1=1 --',
    "$(rm -rf /)",
    "`id`",
    "; shutdown -h now",
    "| cat /etc/passwd",
    "../../../../etc/passwd",
    "%s%n%x",
    "{0.__class__}",
    "${jndi:ldap://x/y}",
    "<script>alert(1)</script>",
    "\\",
    "\\N",
    "\\.",
    "a\tb\nc\rd",
    "\u202egnp.exe",
    "\ufeffbom",
    "e\u0301",
    "\U0001f600" * 20,
    "\x7f\x1b[2J",
    "NULL",
    "NaN",
    "-1",
    "",
)
_HEADERS: Final[tuple[Headers, ...]] = (
    [],
    [],
    [],
    [(SENT_AT_HEADER, b"")],
    [(SENT_AT_HEADER, b"yesterday")],
    [(SENT_AT_HEADER, None)],
    [(SENT_AT_HEADER, b"9" * 5000)],
    [(SENT_AT_HEADER, b"9" * 400)],
    [(SENT_AT_HEADER, "\u0663".encode())],
    [(SENT_AT_HEADER, b"-5")],
    [(SENT_AT_HEADER, b"1"), (SENT_AT_HEADER, b"2")],
    [("", b"x"), ("\u00e9'; DROP", b"\xff\xfe"), ("many", b"y" * 10_000)],
)


class Wild(NamedTuple):
    """A record to send; `time_ms` becomes its Kafka timestamp."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers
    time_ms: int


class Fuzzer:
    """Endless records of one seed; about half of them are accepted or duplicates."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._random = random.Random(seed)
        self._number = 0
        self._spoilers: tuple[Callable[[dict[str, Any], datetime], bytes | None], ...] = (
            self._mutate,
            self._mutate,
            self._mutate,
            self._evil,
            self._evil,
            self._other_times,
            self._odd_times,
            self._noise,
            self._deep,
            self._broken_text,
            self._empty,
            self._null_optionals,
            self._empty_texts,
        )

    def records(self, count: int) -> Iterator[Wild]:
        """The next so many."""
        for _ in range(count):
            yield self._next()

    def large(self) -> Iterator[Wild]:
        """Values of 10 MB: good, broken, and made of nothing but brackets."""
        for topic in SOURCE_TOPICS:
            event, key = self._event(topic)
            padded = event | {"padding": "x" * _LARGE_BYTES}
            now_ms = int(time.time() * 1000)
            for value in (
                json.dumps(padded).encode(),
                json.dumps(event).encode() + b" " * _LARGE_BYTES + b"}",
                b"[" * _LARGE_BYTES,
            ):
                yield Wild(topic, key, value, [], now_ms)

    def _next(self) -> Wild:
        pick = self._random
        topic = pick.choice(SOURCE_TOPICS)
        event, right_key = self._event(topic)
        now = datetime.now(UTC)
        key: bytes | None = right_key
        value: bytes | None = json.dumps(event).encode()
        if pick.random() < 0.6:
            value = pick.choice(self._spoilers)(event, now)
        if pick.random() < 0.05:
            key = pick.choice((None, b"", b"\xff\xfe", b"somebody", b"k" * 5000, right_key.upper()))
        time_ms = int(now.timestamp() * 1000)
        if pick.random() < 0.02:
            time_ms -= pick.choice((86_400_000, 400 * 86_400_000, 40 * 365 * 86_400_000))
        if pick.random() < 0.005:
            time_ms = _NO_TIMESTAMP
        return Wild(topic, key, value, pick.choice(_HEADERS), time_ms)

    def _event(self, topic: str) -> tuple[dict[str, Any], bytes]:
        pick = self._random
        self._number += 1
        number = pick.randrange(self._number) if pick.random() < 0.05 else self._number
        event = dict(VALID[topic]) | {"timestamp": datetime.now(UTC).isoformat()}
        if topic == SYSTEM_METRICS:
            host = f"host-{pick.randrange(_HOSTS)}"
            return event | {"host": host, "metric": f"m{self._seed}-{number}"}, host.encode()
        user = f"user-{pick.randrange(_USERS)}"
        id_field = "transaction_id" if topic == TRANSACTIONS else "event_id"
        event |= {id_field: f"{self._seed}-{topic[:2]}-{number}", "user_id": user}
        if topic == TRANSACTIONS:
            event |= {"total_amount": pick.randint(0, 1_000_000) / 100, "country": "USA"}
            event |= {"card": f"c{number % 11}", "session_id": f"s{number % 997}", "email": f"e{number % 5}"}
        return event, user.encode()

    # --- ways to spoil an event ---

    def _mutate(self, event: dict[str, Any], now: datetime) -> bytes | None:
        return mutated(self._random, event, now)

    def _evil(self, event: dict[str, Any], now: datetime) -> bytes:
        """Harmful text in every optional field, sometimes in the required ones, too."""
        pick = self._random
        changed = event | {
            name: pick.choice(EVIL) for name in ("category", "country", "payment_method", "unknown", pick.choice(EVIL))
        }
        if pick.random() < 0.3:
            changed[pick.choice(list(event))] = pick.choice(EVIL)
        if "transaction_id" in changed and pick.random() < 0.3:
            changed["transaction_id"] = f"{pick.choice(EVIL)}{self._number}"
        return json.dumps(changed, ensure_ascii=pick.random() < 0.5).encode()

    def _other_times(self, event: dict[str, Any], now: datetime) -> bytes:
        pick = self._random
        text = pick.choice(
            (
                "0001-01-01T00:00:00Z",
                "9999-12-31T23:59:59.999999Z",
                "1969-12-31T23:59:59Z",
                "1582-10-10T00:00:00Z",
                "2038-01-19T03:14:08Z",
                "10000-01-01T00:00:00Z",
                "2016-12-31T23:59:60Z",
                "1997-07-16T19:20:30.45+01:00",
                "1900-01-01T00:00:00",
            )
        )
        return json.dumps(event | {"timestamp": text}).encode()

    def _odd_times(self, event: dict[str, Any], now: datetime) -> bytes:
        """Any odd day, clock, fraction and zone together, and today's with an odd rest."""
        pick = self._random
        day = pick.choice((*_DAYS, *[now.date().isoformat()] * 6))
        clock = pick.choice((*_CLOCKS, *[now.strftime("%H:%M:%S")] * 8))
        rest = f"{pick.choice(_FRACTIONS)}{pick.choice(_ZONES)}"
        text = f"{day}{pick.choice('TTTt _')}{clock}{rest}"
        return json.dumps(event | {"timestamp": text}).encode()

    def _null_optionals(self, event: dict[str, Any], now: datetime) -> bytes:
        """Null where a field may be absent, now and then where it may not."""
        pick = self._random
        optional = ("category", "country", "payment_method", "quantity", "product_id", "session_id")
        names = [name for name in optional if pick.random() < 0.6]
        if pick.random() < 0.2:
            names.append(pick.choice(list(event)))
        return json.dumps(event | dict.fromkeys(names)).encode()

    def _empty_texts(self, event: dict[str, Any], now: datetime) -> bytes:
        """Nothing, or nothing that can be seen, in some of the texts."""
        pick = self._random
        nothing = pick.choice(("", "", " ", "\u200b", "\u00a0", "\t"))
        fields = ("category", "country", "payment_method", "unknown", pick.choice(list(event)))
        return json.dumps(event | {name: nothing for name in fields if pick.random() < 0.7}).encode()

    def _noise(self, event: dict[str, Any], now: datetime) -> bytes:
        return self._random.randbytes(self._random.randint(1, 300))

    def _deep(self, event: dict[str, Any], now: datetime) -> bytes:
        depth = self._random.choice((10, 500, 1100, 20_000))
        nested = '{"a":' * depth + "1" + "}" * depth
        if self._random.random() < 0.5:
            nested = "[" * depth + "]" * depth
        return json.dumps(event).encode()[:-1] + b', "deep": ' + nested.encode() + b"}"

    def _broken_text(self, event: dict[str, Any], now: datetime) -> bytes:
        broken = self._random.choice((b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf8\x88", b"\xe2"))
        value = json.dumps(event).encode()
        place = self._random.randrange(len(value))
        return scratched(self._random, value[:place] + broken + value[place:])

    def _empty(self, event: dict[str, Any], now: datetime) -> bytes | None:
        return self._random.choice((None, b"", b" ", b"null", b"0", b'""', b"{}", b"[]", b"\x00"))
