"""Turns drafts into records: timestamps, money, bytes, and the faults that show in them."""

from random import Random
from typing import Final

from app.generator.draft import Draft, Fault
from app.generator.forgiven import FORGIVEN, forgiven_kinds
from app.generator.malformed import MALFORMED, Spoil, malformed_kinds
from app.generator.record import JsonObject, Record, encode, money, timestamp_text
from app.generator.tally import Tally
from app.topics import SOURCE_TOPICS

_MALFORMED_KINDS: Final = {topic: malformed_kinds(topic) for topic in SOURCE_TOPICS}
_FORGIVEN_KINDS: Final = {topic: forgiven_kinds(topic) for topic in SOURCE_TOPICS}
_AMOUNT: Final = "total_amount"


class Writer:
    """Writes one draft after the other and counts what it did."""

    __slots__ = ("_future_tolerance_us", "_rng", "_tally")

    def __init__(self, tally: Tally, future_tolerance_us: int, rng: Random) -> None:
        self._tally = tally
        self._future_tolerance_us = future_tolerance_us
        self._rng = rng

    def write(self, draft: Draft, at_us: int, record_us: int) -> Record:
        """Return the record of a draft sent at a time, to be stamped `record_us` by Kafka."""
        fields = draft.fields
        fields["timestamp"] = timestamp_text(at_us - draft.delay_us)
        if draft.fault is Fault.MALFORMED:
            return self._malformed(draft, record_us)
        if draft.marks:
            self._tally.injected.update(draft.marks)
        self._tally.topics[draft.topic].produced += 1
        if draft.fault is Fault.FORGIVEN:
            self._forgive(draft.topic, fields)
        return self._record(draft, fields, record_us)

    def repeat(self, draft: Draft, record: Record, record_us: int) -> Record:
        """Return the record once more: the same bytes, or changed ones under the same id."""
        tally = self._tally.topics[draft.topic]
        tally.produced += 1
        tally.duplicates += 1
        if draft.fault is not Fault.CONFLICTING:
            return record._replace(at_us=record_us)
        tally.conflicting += 1
        return self._record(draft, _contradict(draft.fields), record_us)

    def _record(self, draft: Draft, fields: JsonObject, record_us: int) -> Record:
        cents = fields.get(_AMOUNT)
        if type(cents) is int:
            fields = {**fields, _AMOUNT: money(cents)}
        return Record(draft.topic, draft.key.encode(), encode(fields), record_us)

    def _malformed(self, draft: Draft, record_us: int) -> Record:
        kind = self._rng.choice(_MALFORMED_KINDS[draft.topic])
        tally = self._tally.topics[draft.topic]
        tally.produced += 1
        tally.malformed += 1
        self._tally.malformed[kind] += 1
        fields = draft.fields
        if _AMOUNT in fields:
            fields[_AMOUNT] = money(fields[_AMOUNT])
        spoiler, _ = MALFORMED[kind]
        key = draft.key.encode()
        tolerance_us = self._future_tolerance_us
        spoil = Spoil(draft.topic, fields, key, record_us, tolerance_us, self._rng)
        key, value = spoiler(spoil)
        return Record(draft.topic, key, value, record_us)

    def _forgive(self, topic: str, fields: JsonObject) -> None:
        kind = self._rng.choice(_FORGIVEN_KINDS[topic])
        self._tally.forgiven[kind] += 1
        twist, _ = FORGIVEN[kind]
        twist(fields, self._rng)


def _contradict(fields: JsonObject) -> JsonObject:
    """Return the event with the same identity and other content."""
    if _AMOUNT in fields:
        return {**fields, _AMOUNT: fields[_AMOUNT] + 100}
    if "value" in fields:
        return {**fields, "value": fields["value"] + 1.0}
    return {**fields, "product_id": f"{fields['product_id']}-changed"}
