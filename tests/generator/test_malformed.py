"""Every kind of rubbish is refused for the reason it should be, every odd form is accepted."""

from random import Random

import orjson
import pytest

from app.events.rejections import Reason
from app.generator.malformed import MALFORMED, Spoil
from app.generator.record import JsonObject, Record, money, timestamp_text
from app.generator.writer import FORGIVEN
from app.topics import CART_EVENTS, PRODUCT_VIEWS, SYSTEM_METRICS, TRANSACTIONS
from tests.generator.shop import START_US, decode_all

REASONS = {
    "broken_json": {Reason.MALFORMED_JSON},
    "not_an_object": {Reason.INVALID_FIELD},
    "missing_field": {Reason.INVALID_FIELD},
    "wrong_type": {Reason.INVALID_FIELD, Reason.INVALID_AMOUNT},
    "bad_timestamp": {Reason.INVALID_FIELD},
    "future_timestamp": {Reason.FUTURE_TIMESTAMP},
    "ancient_timestamp": {Reason.IMPLAUSIBLE_TIMESTAMP},
    "nul_character": {Reason.NUL_CHARACTER},
    "too_long": {Reason.INVALID_FIELD},
    "invalid_utf8": {Reason.MALFORMED_JSON},
    "wrong_key": {Reason.KEY_MISMATCH},
    "empty_value": {Reason.EMPTY_VALUE},
    "no_value": {Reason.EMPTY_VALUE},
    "not_a_number": {Reason.MALFORMED_JSON},
    "negative_amount": {Reason.INVALID_AMOUNT},
    "huge_amount": {Reason.INVALID_AMOUNT},
    "bad_quantity": {Reason.INVALID_FIELD},
    "unknown_action": {Reason.INVALID_FIELD},
}
CASES = [(kind, topic) for kind, (_, topics) in MALFORMED.items() for topic in topics]


def event(topic: str) -> JsonObject:
    if topic == SYSTEM_METRICS:
        named = {"host": "web-1", "component": "cpu", "metric": "usage", "value": 0.5}
        return {**named, "timestamp": timestamp_text(START_US)}
    fields: JsonObject = {
        "user_id": "user7",
        "session_id": "s-1",
        "product_id": "product1",
        "category": "Books",
        "country": "UK",
        "timestamp": timestamp_text(START_US),
    }
    if topic == TRANSACTIONS:
        amount = {"total_amount": 1999, "quantity": 1, "payment_method": "paypal"}
        return {"transaction_id": "t-1", **fields, **amount}
    action = {"action": "add", "quantity": 1} if topic == CART_EVENTS else {}
    return {"event_id": "e-1", **fields, **action}


def key_of(topic: str) -> bytes:
    return b"web-1" if topic == SYSTEM_METRICS else b"user7"


def finished(fields: JsonObject) -> JsonObject:
    if type(fields.get("total_amount")) is int:
        fields["total_amount"] = money(fields["total_amount"])
    return fields


@pytest.mark.parametrize(("kind", "topic"), CASES)
def test_rubbish_is_refused_for_its_reason(kind: str, topic: str) -> None:
    spoiler, _ = MALFORMED[kind]
    records = []
    for seed in range(60):
        fields = finished(event(topic))
        spoil = Spoil(topic, fields, key_of(topic), START_US, 300_000_000, Random(seed))
        key, value = spoiler(spoil)
        records.append(Record(topic, key, value, START_US))
    decoded = decode_all(topic, records)
    assert not decoded.rows
    assert {letter.reason for letter in decoded.dead_letters} <= REASONS[kind]


def test_all_kinds_have_a_reason() -> None:
    assert set(REASONS) == set(MALFORMED)


@pytest.mark.parametrize("topic", [TRANSACTIONS, PRODUCT_VIEWS, CART_EVENTS, SYSTEM_METRICS])
def test_unspoiled_events_are_accepted(topic: str) -> None:
    record = Record(topic, key_of(topic), orjson.dumps(finished(event(topic))), START_US)
    assert len(decode_all(topic, [record]).rows) == 1


@pytest.mark.parametrize(
    ("kind", "topic"), [(kind, topic) for kind, (_, topics) in FORGIVEN.items() for topic in topics]
)
def test_odd_forms_are_accepted(kind: str, topic: str) -> None:
    twist, _ = FORGIVEN[kind]
    for seed in range(40):
        fields = event(topic)
        twist(fields, Random(seed))
        value = orjson.dumps(finished(fields))
        decoded = decode_all(topic, [Record(topic, key_of(topic), value, START_US)])
        assert len(decoded.rows) == 1
        assert len(decoded.rounded_offsets) == (kind == "amount_with_more_decimals")
        assert len(decoded.assumed_utc_offsets) == (kind == "timestamp_without_offset")
        if topic == TRANSACTIONS:
            assert decoded.rows[0].amount_cents in (1999, 2000)
