"""Serializes events to records: timestamps, money, bytes, and the faults in them."""

from collections.abc import Callable
from random import Random
from typing import Final

import orjson

from app.generator.malformed import MALFORMED, Spoil, kinds_by_topic
from app.generator.planned_event import Fault, PlannedEvent
from app.generator.record import Counts, JsonObject, Record, encode, money, money_text, timestamp_text
from app.topics import SOURCE_TOPICS, TRANSACTIONS

Twist = Callable[[JsonObject, Random], None]
_MALFORMED_KINDS: Final = kinds_by_topic(MALFORMED)
_AMOUNT: Final = "total_amount"


def _amount_as_string(fields: JsonObject, _rng: Random) -> None:
    fields["total_amount"] = money_text(fields["total_amount"])


def _amount_with_more_decimals(fields: JsonObject, rng: Random) -> None:
    text = f"{money_text(fields['total_amount'])}{rng.randrange(1, 1000):03d}"
    fields["total_amount"] = orjson.Fragment(text)


def _timestamp_without_offset(fields: JsonObject, _rng: Random) -> None:
    fields["timestamp"] = fields["timestamp"].removesuffix("Z")


def _unknown_fields(fields: JsonObject, rng: Random) -> None:
    fields["app_version"] = f"4.{rng.randrange(20)}"
    fields["experiment"] = {"name": "checkout", "arms": [1, None, "b"]}


FORGIVEN: Final[dict[str, tuple[Twist, tuple[str, ...]]]] = {
    "amount_as_string": (_amount_as_string, (TRANSACTIONS,)),
    "amount_with_more_decimals": (_amount_with_more_decimals, (TRANSACTIONS,)),
    "timestamp_without_offset": (_timestamp_without_offset, SOURCE_TOPICS),
    "unknown_fields": (_unknown_fields, SOURCE_TOPICS),
}


_FORGIVEN_KINDS: Final = kinds_by_topic(FORGIVEN)


class Writer:
    """Serializes events one by one and counts them."""

    __slots__ = ("_counts", "_future_tolerance_us", "_rng")

    def __init__(self, counts: Counts, future_tolerance_us: int, rng: Random) -> None:
        self._counts = counts
        self._future_tolerance_us = future_tolerance_us
        self._rng = rng

    def write(self, event: PlannedEvent, at_us: int, record_us: int) -> Record:
        """Returns the record of an event sent at a time, with `record_us` as its Kafka timestamp."""
        fields = event.fields
        fields["timestamp"] = timestamp_text(at_us - event.delay_us)
        if event.fault is Fault.MALFORMED:
            return self._malformed(event, record_us)
        if event.marks:
            self._counts.injected.update(event.marks)
        self._counts.topics[event.topic].produced += 1
        if event.fault is Fault.FORGIVEN:
            self._forgive(event.topic, fields)
        return self._record(event, fields, record_us)

    def repeat(self, event: PlannedEvent, record: Record, record_us: int) -> Record:
        """Returns the record again: the same bytes, or changed ones with the same id."""
        counts = self._counts.topics[event.topic]
        counts.produced += 1
        counts.duplicates += 1
        if event.fault is not Fault.CONFLICTING:
            return record._replace(at_us=record_us)
        counts.conflicting += 1
        return self._record(event, _contradict(event.fields), record_us)

    def _record(self, event: PlannedEvent, fields: JsonObject, record_us: int) -> Record:
        cents = fields.get(_AMOUNT)
        if type(cents) is int:
            fields = {**fields, _AMOUNT: money(cents)}
        return Record(event.topic, event.key.encode(), encode(fields), record_us)

    def _malformed(self, event: PlannedEvent, record_us: int) -> Record:
        kind = self._rng.choice(_MALFORMED_KINDS[event.topic])
        counts = self._counts.topics[event.topic]
        counts.produced += 1
        counts.malformed += 1
        self._counts.malformed[kind] += 1
        fields = event.fields
        if _AMOUNT in fields:
            fields[_AMOUNT] = money(fields[_AMOUNT])
        spoiler, _ = MALFORMED[kind]
        key = event.key.encode()
        tolerance_us = self._future_tolerance_us
        spoil = Spoil(event.topic, fields, key, record_us, tolerance_us, self._rng)
        key, value = spoiler(spoil)
        return Record(event.topic, key, value, record_us)

    def _forgive(self, topic: str, fields: JsonObject) -> None:
        kind = self._rng.choice(_FORGIVEN_KINDS[topic])
        self._counts.forgiven[kind] += 1
        twist, _ = FORGIVEN[kind]
        twist(fields, self._rng)


def _contradict(fields: JsonObject) -> JsonObject:
    """Returns the event with the same identity and other content."""
    if _AMOUNT in fields:
        return {**fields, _AMOUNT: fields[_AMOUNT] + 100}
    if "value" in fields:
        return {**fields, "value": fields["value"] + 1.0}
    return {**fields, "product_id": f"{fields['product_id']}-changed"}
