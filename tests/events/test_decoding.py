"""From raw records to rows: strict and forgiving exactly where the contract is."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.events.decoding import FIRST_US, Decoder, TimeLimits
from app.events.rejections import Reason
from app.events.topics import cart_events, product_views, system_metrics, transactions
from app.events.topics.cart_events import CartEventRow
from app.events.topics.product_views import ProductViewRow
from app.events.topics.system_metrics import SystemMetricRow
from app.events.topics.transactions import TransactionRow
from tests.events.records import KAFKA_MS, Record, encoded, order

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECOND_US = 1_000_000
LIMITS = TimeLimits(300 * SECOND_US, 400 * 86_400 * SECOND_US)
OPEN = TimeLimits(300 * SECOND_US, earliest_us=FIRST_US)
DEEP = b"[" * 100_000

REFUSED: list[tuple[bytes | None, Reason]] = [
    (None, Reason.EMPTY_VALUE),
    (b"", Reason.EMPTY_VALUE),
    (b"{", Reason.MALFORMED_JSON),
    (b"not json", Reason.MALFORMED_JSON),
    (b"\xff\xfe", Reason.MALFORMED_JSON),
    (order() + b"x", Reason.MALFORMED_JSON),
    (order()[:-1], Reason.MALFORMED_JSON),
    (order(category="x").replace(b"x", b"\xc3("), Reason.MALFORMED_JSON),
    (b'{"transaction_id": 1, "user_id": ', Reason.MALFORMED_JSON),
    (DEEP, Reason.MALFORMED_JSON),
    (order(total_amount="NAME").replace(b'"NAME"', b"NaN"), Reason.MALFORMED_JSON),
    (order(total_amount="NAME").replace(b'"NAME"', b"01.00"), Reason.MALFORMED_JSON),
    (order(total_amount="NAME").replace(b'"NAME"', b"Infinity"), Reason.MALFORMED_JSON),
    (b"null", Reason.INVALID_FIELD),
    (b"[]", Reason.INVALID_FIELD),
    (b'"text"', Reason.INVALID_FIELD),
    (b"{}", Reason.INVALID_FIELD),
    (order(transaction_id=...), Reason.INVALID_FIELD),
    (order(transaction_id=""), Reason.INVALID_FIELD),
    (order(transaction_id="x" * 101), Reason.INVALID_FIELD),
    (order(transaction_id=7), Reason.INVALID_FIELD),
    (order(transaction_id=None), Reason.INVALID_FIELD),
    (order(user_id=...), Reason.INVALID_FIELD),
    (order(timestamp=...), Reason.INVALID_FIELD),
    (order(timestamp=1_772_366_400), Reason.INVALID_FIELD),
    (order(timestamp="yesterday"), Reason.INVALID_FIELD),
    (order(total_amount=...), Reason.INVALID_FIELD),
    (order(category="x" * 101), Reason.INVALID_FIELD),
    (order(country="x" * 51), Reason.INVALID_FIELD),
    (order(payment_method="x" * 51), Reason.INVALID_FIELD),
    (order(product_id="x" * 101), Reason.INVALID_FIELD),
    (order(quantity=0), Reason.INVALID_FIELD),
    (order(quantity=1_000_001), Reason.INVALID_FIELD),
    (order(quantity=1.5), Reason.INVALID_FIELD),
    (order(quantity="2"), Reason.INVALID_FIELD),
    (order(quantity=True), Reason.INVALID_FIELD),
    (order(total_amount=None), Reason.INVALID_AMOUNT),
    (order(total_amount=[1]), Reason.INVALID_AMOUNT),
    (order(total_amount=-0.01), Reason.INVALID_AMOUNT),
    (order(total_amount="NaN"), Reason.INVALID_AMOUNT),
    (order(total_amount=10_000_000_000), Reason.INVALID_AMOUNT),
    (order(total_amount="1,000.00"), Reason.INVALID_AMOUNT),
    (order(transaction_id="a\x00b"), Reason.NUL_CHARACTER),
    (order(category="\x00"), Reason.NUL_CHARACTER),
    (order(user_id="a\x00"), Reason.NUL_CHARACTER),
    (order(user_id="bob"), Reason.KEY_MISMATCH),
    (order(timestamp="2026-03-01T12:05:00.000001Z"), Reason.FUTURE_TIMESTAMP),
    (order(timestamp="9999-12-31T23:59:59Z"), Reason.FUTURE_TIMESTAMP),
    (order(timestamp="2025-01-25T11:59:59.999999Z"), Reason.BEYOND_RETENTION),
    (order(timestamp="1970-01-01T00:00:00Z"), Reason.BEYOND_RETENTION),
    (order(timestamp="1969-12-31T23:59:59.999999Z"), Reason.IMPLAUSIBLE_TIMESTAMP),
    (order(timestamp="1970-01-01T00:00:00+00:01"), Reason.IMPLAUSIBLE_TIMESTAMP),
    (order(timestamp="1582-10-10T00:00:00Z"), Reason.IMPLAUSIBLE_TIMESTAMP),
    (order(timestamp="0025-11-29T10:00:00Z"), Reason.IMPLAUSIBLE_TIMESTAMP),
    (order(timestamp="0001-01-01T00:00:00-05:00"), Reason.IMPLAUSIBLE_TIMESTAMP),
    (order(timestamp="0001-01-01T00:00:00Z"), Reason.IMPLAUSIBLE_TIMESTAMP),
    (order(timestamp="0001-01-01T00:00:00+01:00"), Reason.IMPLAUSIBLE_TIMESTAMP),
]

#: Each record breaks the rule of its reason and of every later one; the first is given.
PRECEDENCE: list[tuple[bytes | None, Reason]] = [
    (b"{\x00", Reason.MALFORMED_JSON),
    (order(quantity=0, total_amount=-1, user_id="b\x00b"), Reason.INVALID_FIELD),
    (order(total_amount=-1, user_id="b\x00b", timestamp="2027-01-01T00:00:00Z"), Reason.INVALID_AMOUNT),
    (order(user_id="b\x00b", timestamp="2027-01-01T00:00:00Z"), Reason.NUL_CHARACTER),
    (order(user_id="bob", timestamp="2027-01-01T00:00:00Z"), Reason.KEY_MISMATCH),
    (order(user_id="bob", timestamp="0025-01-01T00:00:00Z"), Reason.KEY_MISMATCH),
]


def _reason(decoder: Decoder[Any], record: Record) -> Reason | None:
    decoded = decoder.decode([record])
    assert len(decoded.rows) + len(decoded.dead_letters) == 1
    assert len(decoded.timestamps_us) == len(decoded.rows)
    return decoded.dead_letters[0].reason if decoded.dead_letters else None


@pytest.mark.parametrize(("value", "reason"), REFUSED + PRECEDENCE, ids=lambda v: str(v)[-60:])
def test_refused(value: bytes | None, reason: Reason) -> None:
    assert _reason(Decoder(transactions.TOPIC, LIMITS), Record(value)) is reason


def test_every_reason_of_decoding_is_reached() -> None:
    elsewhere = {Reason.REJECTED_BY_DATABASE, Reason.NO_KAFKA_TIMESTAMP}
    assert {reason for _, reason in REFUSED} == set(Reason) - elsewhere


def test_a_record_without_a_kafka_timestamp_is_named_as_one() -> None:
    decoder = Decoder(transactions.TOPIC, LIMITS)
    (letter,) = decoder.decode([Record(order(), timestamp=-1)]).dead_letters
    assert letter.reason is Reason.NO_KAFKA_TIMESTAMP
    assert "no Kafka timestamp" in letter.detail
    assert "LogAppendTime" in letter.detail
    ancient = Record(order(timestamp="0001-01-01T05:00:00Z"), timestamp=-1)
    assert _reason(decoder, ancient) is Reason.IMPLAUSIBLE_TIMESTAMP


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("0001-01-01T00:00:00.000001Z", None),
        ("0001-01-01T00:00:00Z", Reason.IMPLAUSIBLE_TIMESTAMP),
        ("0001-01-01T00:00:00+14:00", Reason.IMPLAUSIBLE_TIMESTAMP),
        ("9999-12-31T23:59:59.999998Z", None),
        ("9999-12-31T23:59:59.999999Z", Reason.IMPLAUSIBLE_TIMESTAMP),
        ("9999-12-31T23:59:59-00:01", Reason.IMPLAUSIBLE_TIMESTAMP),
    ],
)
def test_the_ends_of_the_calendar(text: str, reason: Reason | None) -> None:
    """PostgreSQL's client writes the first and the last microsecond as infinities."""
    last_ms = 253_402_300_799_999
    record = Record(order(timestamp=text), timestamp=last_ms)
    assert _reason(Decoder(transactions.TOPIC, OPEN), record) is reason


def test_a_dead_letter_holds_the_raw_record() -> None:
    record = Record(b"\x00\xff", key=b"\xfe", offset=42, timestamp=KAFKA_MS)
    (letter,) = Decoder(transactions.TOPIC, LIMITS).decode([record]).dead_letters
    assert (letter.offset, letter.key, letter.value) == (42, b"\xfe", b"\x00\xff")
    assert (letter.stage, letter.kafka_time_ms) == ("decode", KAFKA_MS)
    assert "\x00" not in letter.detail


def test_an_order_with_everything() -> None:
    value = order(
        category="Bücher \U0001f4da",
        country="Österreich",
        payment_method="card",
        quantity=3,
        product_id="p",
        session_id="s",
        total_amount="1e3",
        coupon={"unknown": [1]},
    )
    decoded = Decoder(transactions.TOPIC, LIMITS).decode([Record(value, offset=9)])
    assert decoded.rows == [
        TransactionRow(
            "t1",
            "ada",
            NOON,
            100_000,
            "Bücher \U0001f4da",
            "Österreich",
            "card",
            3,
            "p",
            "s",
            None,
            None,
            None,
            None,
            9,
        )
    ]
    assert decoded.timestamps_us == [KAFKA_MS * 1000]
    assert decoded.rounded_offsets == decoded.assumed_utc_offsets == []


def test_a_bare_order_is_one_item_of_nothing_in_particular() -> None:
    (row,) = Decoder(transactions.TOPIC, LIMITS).decode([Record(order())]).rows
    assert row == TransactionRow("t1", "ada", NOON, 1999, None, None, None, 1, None, None, None, None, None, None, 0)


def test_null_is_the_same_as_absent() -> None:
    names = ("category", "country", "payment_method", "product_id", "session_id", "quantity")
    value = order(**dict.fromkeys(names))
    decoded = Decoder(transactions.TOPIC, LIMITS).decode([Record(value)])
    assert decoded == Decoder(transactions.TOPIC, LIMITS).decode([Record(order())])


@pytest.mark.parametrize(
    ("text", "instant", "assumed"),
    [
        ("2026-03-01T12:00:00Z", NOON, False),
        ("2026-03-01t12:00:00z", NOON, False),
        ("2026-03-01 12:00:00Z", NOON, False),
        ("2026-03-01T13:00:00+01:00", NOON, False),
        ("2026-03-01T06:30:00-05:30", NOON, False),
        ("2026-03-01T12:00:00-00:00", NOON, False),
        ("2026-03-01T12:00:00.000001Z", NOON + timedelta(microseconds=1), False),
        ("2026-03-01T12:00:00", NOON, True),
        ("2026-03-01T12:00:00.5", NOON + timedelta(seconds=0.5), True),
        ("2026-03-01T12:05:00Z", NOON + timedelta(minutes=5), False),
        ("2025-01-25T12:00:00Z", NOON - timedelta(days=400), False),
    ],
)
def test_timestamps(text: str, instant: datetime, assumed: bool) -> None:
    decoded = Decoder(transactions.TOPIC, LIMITS).decode([Record(order(timestamp=text), offset=3)])
    assert [row.timestamp for row in decoded.rows] == [instant]
    assert decoded.timestamps_us == [(instant - NOON) // timedelta(microseconds=1) + KAFKA_MS * 1000]
    assert decoded.assumed_utc_offsets == ([3] if assumed else [])


@pytest.mark.parametrize("text", ["2026-02-30T12:00:00Z", "2026-03-01T25:00:00Z", "2026-03-01", "", "12:00:00Z", "now"])
def test_texts_that_are_no_timestamps(text: str) -> None:
    record = Record(order(timestamp=text))
    assert _reason(Decoder(transactions.TOPIC, LIMITS), record) is Reason.INVALID_FIELD


def test_without_a_retention_the_past_is_open() -> None:
    decoder = Decoder(transactions.TOPIC, TimeLimits(0))
    assert _reason(decoder, Record(order(timestamp="1970-01-01T00:00:00Z"))) is None


def test_forgiven_records_are_named_by_offset() -> None:
    values = [
        order(),
        order(total_amount=1.005),
        order(timestamp="2026-03-01T12:00:00"),
        order(total_amount="1.005", timestamp="2026-03-01T12:00:00"),
        b"{",
    ]
    decoded = Decoder(transactions.TOPIC, LIMITS).decode(Record(value, offset=10 + n) for n, value in enumerate(values))
    assert decoded.rounded_offsets == [11, 13]
    assert decoded.assumed_utc_offsets == [12, 13]
    assert [row.source_offset for row in decoded.rows] == [10, 11, 12, 13]
    assert [letter.offset for letter in decoded.dead_letters] == [14]


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        (rb"\u0000", Reason.NUL_CHARACTER),
        (rb"a\u0000b", Reason.NUL_CHARACTER),
        (rb"\\u0000", None),
        (rb"\\\u0000", Reason.NUL_CHARACTER),
        (rb"\\\\u0000", None),
        (rb"\u0001", None),
        (b"\x00", Reason.MALFORMED_JSON),
    ],
)
def test_nul_characters(written: bytes, reason: Reason | None) -> None:
    value = order(category="HERE").replace(b"HERE", written)
    assert _reason(Decoder(transactions.TOPIC, LIMITS), Record(value)) is reason


def test_a_nul_in_a_field_that_is_not_stored_does_no_harm() -> None:
    assert _reason(Decoder(transactions.TOPIC, LIMITS), Record(order(note="\x00"))) is None


@pytest.mark.parametrize(
    ("user", "key", "reason"),
    [
        ("ada", b"ada", None),
        ("ada", None, Reason.KEY_MISMATCH),
        ("ada", b"", Reason.KEY_MISMATCH),
        ("ada", b"Ada", Reason.KEY_MISMATCH),
        ("ada", b"ada\x00", Reason.KEY_MISMATCH),
        ("ada", b'"ada"', Reason.KEY_MISMATCH),
        ("zoë", "zoë".encode(), None),
        ("zoë", "zoë".encode("latin-1"), Reason.KEY_MISMATCH),
        ("zoë", "zoe\u0308".encode(), Reason.KEY_MISMATCH),
    ],
)
def test_the_key_is_the_user(user: str, key: bytes | None, reason: Reason | None) -> None:
    record = Record(order(user_id=user), key=key)
    assert _reason(Decoder(transactions.TOPIC, LIMITS), record) is reason


VIEW: dict[str, Any] = {
    "event_id": "e",
    "user_id": "ada",
    "session_id": "s",
    "timestamp": "2026-03-01T12:00:00Z",
    "product_id": "p",
}
CART = VIEW | {"action": "add", "quantity": 2}
METRIC: dict[str, Any] = {
    "host": "ada",
    "component": "api",
    "metric": "cpu",
    "value": 0.5,
    "timestamp": "2026-03-01T12:00:00Z",
}


@pytest.mark.parametrize(
    ("decoder", "event", "row"),
    [
        (Decoder(product_views.TOPIC, LIMITS), VIEW, ProductViewRow("e", "ada", "s", NOON, "p", None, None, 0)),
        (Decoder(cart_events.TOPIC, LIMITS), CART, CartEventRow("e", "ada", "s", NOON, "p", "add", 2, None, None, 0)),
        (Decoder(system_metrics.TOPIC, LIMITS), METRIC, SystemMetricRow("ada", "api", "cpu", NOON, 0.5, 0)),
    ],
    ids=["product_views", "cart_events", "system_metrics"],
)
def test_the_other_topics(decoder: Decoder[Any], event: dict[str, Any], row: object) -> None:
    assert decoder.decode([Record(encoded(event))]).rows == [row]
    for name in event:
        without = Record(encoded(event | {name: ...}))
        assert _reason(decoder, without) is Reason.INVALID_FIELD, name
    assert _reason(decoder, Record(encoded(event), key=b"bob")) is Reason.KEY_MISMATCH
    future = encoded(event | {"timestamp": "2026-03-01T12:05:01Z"})
    assert _reason(decoder, Record(future)) is Reason.FUTURE_TIMESTAMP


@pytest.mark.parametrize("action", ["added", "", "ADD", None, 1])
def test_a_cart_knows_three_actions(action: object) -> None:
    record = Record(encoded(CART | {"action": action}))
    assert _reason(Decoder(cart_events.TOPIC, LIMITS), record) is Reason.INVALID_FIELD


@pytest.mark.parametrize("value", [b"1e999", b"-1e999"])
def test_a_measurement_is_finite(value: bytes) -> None:
    written = encoded(METRIC | {"value": "HERE"}).replace(b'"HERE"', value)
    assert _reason(Decoder(system_metrics.TOPIC, LIMITS), Record(written)) in {
        Reason.INVALID_FIELD,
        Reason.MALFORMED_JSON,
    }


def test_limits_are_stated_in_seconds_and_days() -> None:
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    assert TimeLimits.of(300, 400, epoch) == LIMITS
    later = epoch + timedelta(seconds=5)
    assert TimeLimits.of(1, None, later) == TimeLimits(SECOND_US, None, 5 * SECOND_US)
    assert TimeLimits.of(1, None, datetime(1, 1, 1, tzinfo=UTC)).earliest_us == FIRST_US
