"""Dirty traffic from a seed: what shops really send, and what they should not."""

import json
import random
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from confluent_kafka import Producer

from app.topics import CART_EVENTS, PRODUCT_VIEWS, SENT_AT_HEADER, SYSTEM_METRICS, TRANSACTIONS
from tests.support.waiting import PATIENCE_SECONDS

_USERS: Final = 300
_STEP_SECONDS: Final = 0.03  # between two events: about six transactions per user and minute
_BEHIND_SECONDS: Final = 1800.0
_REMEMBERED: Final = 400
_CATEGORIES: Final = ("Books", "Toys", "Garden", "Caf\u00e9", None)
_COUNTRIES: Final = ("USA", "Germany", "France", None)


class Sent(NamedTuple):
    """A record to send."""

    topic: str
    key: bytes | None
    value: bytes | None


Spoil = Callable[[dict[str, Any]], bytes | None]

MALFORMED: Final[dict[str, Spoil]] = {
    "empty": lambda event: b"",
    "tombstone": lambda event: None,
    "no json": lambda event: b"{" + _dump(event),
    "not utf-8": lambda event: b'{"user_id": "\xff"}',
    "array": lambda event: b"[1, 2]",
    "nan": lambda event: _dump(event).replace(b'"total_amount"', b'"total_amount": NaN, "x"'),
    "missing": lambda event: _dump({k: v for k, v in event.items() if k != "timestamp"}),
    "mistyped": lambda event: _dump(event | {"timestamp": [7]}),
    "too long": lambda event: _dump(event | {"category": "c" * 101, "host": "h" * 101}),
    "nul": lambda event: _dump(event | {"user_id": "u\0", "host": "h\0"}),
    "other key": lambda event: _dump(event | {"user_id": "somebody", "host": "else"}),
    "no time": lambda event: _dump(event | {"timestamp": "yesterday"}),
    "far future": lambda event: _dump(event | {"timestamp": _iso(time.time() + 900)}),
    "deep": lambda event: b"[" * 5000 + b"]" * 5000,
}
MALFORMED_ORDERS: Final[dict[str, Spoil]] = MALFORMED | {
    "negative": lambda event: _dump(event | {"total_amount": -0.01}),
    "huge": lambda event: _dump(event | {"total_amount": "10000000000.00"}),
    "words": lambda event: _dump(event | {"total_amount": "ten"}),
    "no quantity": lambda event: _dump(event | {"quantity": 0}),
}


class Traffic:
    """Endless dirty traffic of one seed; ids begin with the seed."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._random = random.Random(seed)
        self._now = time.time() - _BEHIND_SECONDS
        self._number = 0
        self._recent: list[Sent] = []

    def records(self, count: int) -> Iterator[Sent]:
        """The next so many records."""
        for _ in range(count):
            self._now += _STEP_SECONDS
            yield self._next()

    def jump(self, seconds: float) -> None:
        """The clock of the shop is set: event times go on from there, never beyond what is accepted."""
        self._now = min(self._now + seconds, time.time())

    def _next(self) -> Sent:
        dice = self._random.random()
        if self._recent and dice < 0.06:
            return self._random.choice(self._recent)
        topic, key_field, event = self._event()
        if dice < 0.10 and topic == TRANSACTIONS and self._recent:
            event = self._again(event)
        key = event[key_field].encode()
        if dice > 0.975:
            kinds = MALFORMED_ORDERS if topic == TRANSACTIONS else MALFORMED
            return Sent(topic, key, self._random.choice(list(kinds.values()))(event))
        record = Sent(topic, key, _dump(event))
        self._remember(record)
        return record

    def _again(self, event: dict[str, Any]) -> dict[str, Any]:
        """Another content, and often another user, under an id that was sent before."""
        earlier = json.loads(self._random.choice(self._recent).value or b"{}")
        return event | {"transaction_id": earlier.get("transaction_id", "first")}

    def _remember(self, record: Sent) -> None:
        if len(self._recent) < _REMEMBERED:
            self._recent.append(record)
        else:
            self._recent[self._random.randrange(_REMEMBERED)] = record

    def _event(self) -> tuple[str, str, dict[str, Any]]:
        self._number += 1
        dice = self._random.random()
        common = {"timestamp": self._timestamp()}
        if dice < 0.7:
            return TRANSACTIONS, "user_id", common | self._order()
        if dice < 0.8:
            return PRODUCT_VIEWS, "user_id", common | self._click()
        if dice < 0.9:
            action = self._random.choice(("add", "remove", "checkout"))
            cart = {"action": action, "quantity": self._random.randint(1, 4)}
            return CART_EVENTS, "user_id", common | self._click() | cart
        return SYSTEM_METRICS, "host", common | self._measurement()

    def _order(self) -> dict[str, Any]:
        pick = self._random
        event: dict[str, Any] = {
            "transaction_id": f"{self._seed}-{self._number}",
            "user_id": f"user-{pick.randrange(_USERS)}",
            "total_amount": self._amount(),
            "payment_method": "card",
            "unknown_field": [1, {"a": None}],
        }
        if self._number % 3:
            event |= {"session_id": f"s{self._number % 997}", "card": f"c{self._number % 11}", "device": "d"}
        if pick.random() < 0.5:
            event["quantity"] = pick.choice((1, 2, 3, 9, 10, 11, 500))
        if category := pick.choice(_CATEGORIES):
            event["category"] = category
        return event | {"country": pick.choice(_COUNTRIES)}

    def _amount(self) -> Any:
        pick = self._random
        cents = pick.randint(0, 30_000)
        forms: tuple[Any, ...] = (
            cents / 100,
            f"{cents // 100}.{cents % 100:02}",
            cents,
            5000,
            "5000.01",
            9000.0,
            "12.345",
            "9999999999.99",
            0,
        )
        return pick.choices(forms, weights=(40, 40, 10, 2, 2, 2, 2, 1, 1))[0]

    def _click(self) -> dict[str, Any]:
        user = f"user-{self._random.randrange(_USERS)}"
        return {
            "event_id": f"{self._seed}-{self._number}",
            "user_id": user,
            "session_id": f"s-{user}",
            "product_id": f"p-{self._random.randrange(50)}",
        }

    def _measurement(self) -> dict[str, Any]:
        pick = self._random
        host = f"host-{pick.randrange(8)}"
        return {"host": host, "component": "db", "metric": "load", "value": pick.random()}

    def _timestamp(self) -> str:
        pick, dice = self._random, self._random.random()
        if dice < 0.05:
            return _iso(self._now - pick.uniform(0, 120))
        if dice < 0.07:
            return _iso(self._now - pick.uniform(600, 9000))
        if dice < 0.075:
            return _iso(time.time() + pick.uniform(0, 290))
        if dice < 0.10:
            return _iso(self._now).removesuffix("+00:00")
        return _iso(self._now)


class Sender:
    """Sends to Kafka; retries while a broker is unavailable."""

    def __init__(self, bootstrap: str) -> None:
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "linger.ms": 5,
                "enable.idempotence": True,
                "message.timeout.ms": int(PATIENCE_SECONDS * 1000),
                "reconnect.backoff.max.ms": 500,
                "log_level": 0,
            }
        )
        self.sent = 0

    def send(self, records: Iterator[Sent] | list[Sent]) -> None:
        """Queue the records in order."""
        stamp = str(time.time_ns() // 1_000_000).encode()
        for record in records:
            self._producer.produce(record.topic, record.value, record.key, headers=[(SENT_AT_HEADER, stamp)])
            self.sent += 1
        self._producer.poll(0)

    def flush(self) -> None:
        """Wait until Kafka has all of them."""
        assert self._producer.flush(PATIENCE_SECONDS) == 0, "Kafka did not take all records"


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def _dump(event: dict[str, Any]) -> bytes:
    return json.dumps(event).encode()
