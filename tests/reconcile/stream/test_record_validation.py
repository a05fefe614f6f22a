"""Verdicts of the contract's rules, one table of examples per reason."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from app.events.topics.cart_events import CartEvent
from app.events.topics.product_views import ProductViewEvent
from app.events.topics.system_metrics import SystemMetricEvent
from app.kafka.reader import Record
from app.reconcile.stream.json_values import to_us
from app.reconcile.stream.record_validation import COLUMNS, Event, RejectedError, Rules, validate
from app.topics import CART_EVENTS, PRODUCT_VIEWS, SOURCE_TOPICS, SYSTEM_METRICS, TRANSACTIONS
from tests.reconcile.stream.examples import KEYS, RULES, TIME_MS, VALID, encode, literal, record


def verdict(topic: str, value: bytes | None, rules: Rules = RULES) -> str:
    """The reason of a refusal, or `accepted`."""
    return verdict_of(topic, record(topic, value), rules)


def verdict_of(topic: str, candidate: Record, rules: Rules = RULES) -> str:
    try:
        validate(topic, candidate, rules)
    except RejectedError as refusal:
        return refusal.reason
    return "accepted"


def columns(topic: str, event: Event) -> dict[str, Any]:
    return dict(zip(COLUMNS[topic], event.values, strict=True))


@pytest.mark.parametrize("topic", SOURCE_TOPICS)
def test_valid_event_is_accepted(topic: str) -> None:
    event = validate(topic, record(topic, encode(topic, unknown={"deep": [1, None]})), RULES)
    assert event.time_us == TIME_MS * 1000
    assert (event.rounded, event.assumed_utc) == (False, False)
    expected = {name: VALID[topic].get(name) for name in COLUMNS[topic]}
    expected |= {"timestamp": TIME_MS * 1000}
    if topic == TRANSACTIONS:
        expected |= {"quantity": 1}
    assert columns(topic, event) == expected


@pytest.mark.parametrize("topic", SOURCE_TOPICS)
@pytest.mark.parametrize("value", [None, b""])
def test_empty_value(topic: str, value: bytes | None) -> None:
    assert verdict(topic, value) == "empty_value"


@pytest.mark.parametrize(
    "value",
    [
        b" ",
        b"rubbish",
        b"{",
        encode(PRODUCT_VIEWS)[:-1],
        encode(PRODUCT_VIEWS) + b"x",
        b"\xef\xbb\xbf" + encode(PRODUCT_VIEWS),
        b"\xff\xfe",
        literal(PRODUCT_VIEWS, "category", "NaN"),
        literal(PRODUCT_VIEWS, "unknown", "Infinity"),
        literal(PRODUCT_VIEWS, "unknown", "-Infinity"),
        literal(PRODUCT_VIEWS, "unknown", "01"),
        literal(PRODUCT_VIEWS, "unknown", "1."),
        literal(PRODUCT_VIEWS, "unknown", "[1,]"),
        literal(PRODUCT_VIEWS, "unknown", "'x'"),
        literal(PRODUCT_VIEWS, "unknown", '"\t"'),
        literal(PRODUCT_VIEWS, "category", '"\ud800"'),
        literal(PRODUCT_VIEWS, "unknown", '"\ud800"'),
        literal(PRODUCT_VIEWS, "category", r'"\ud800"'),
        literal(PRODUCT_VIEWS, "category", r'"\udc00\ud800"'),
        literal(PRODUCT_VIEWS, "unknown", r'"\\\ud83d\\ude00"'),
        literal(PRODUCT_VIEWS, "unknown", "[" * 100_000),
        b'{"event_id": 5, rubbish',
    ],
)
def test_malformed_json(value: bytes) -> None:
    assert verdict(PRODUCT_VIEWS, value) == "malformed_json"


@pytest.mark.parametrize(
    ("text", "expected"), [(r'"\ud83d\ude00"', "\U0001f600"), (r'"\\ud800"', r"\ud800"), (r'"\u00e9\n"', "\u00e9\n")]
)
def test_escapes_that_are_whole(text: str, expected: str) -> None:
    value = literal(PRODUCT_VIEWS, "category", text)
    event = validate(PRODUCT_VIEWS, record(PRODUCT_VIEWS, value), RULES)
    assert columns(PRODUCT_VIEWS, event)["category"] == expected


@pytest.mark.parametrize("value", [b"null", b"[]", b"5", b'"text"', b"true", b"{}"])
def test_documents_without_fields(value: bytes) -> None:
    assert verdict(TRANSACTIONS, value) == "invalid_field"


@pytest.mark.parametrize("topic", SOURCE_TOPICS)
@pytest.mark.parametrize("wrong", [..., None, 5, True, "", "x" * 101, ["x"], {"x": "x"}])
def test_identifiers(topic: str, wrong: Any) -> None:
    for field in ("transaction_id", "event_id", "user_id", "host", "component", "metric"):
        if field in VALID[topic]:
            assert verdict(topic, encode(topic, **{field: wrong})) == "invalid_field"


def test_lengths_count_characters() -> None:
    user = "\U0001f600" * 100
    value = encode(PRODUCT_VIEWS, user_id=user, category="\u00e9" * 100, country="\u00e9" * 50)
    assert verdict_of(PRODUCT_VIEWS, record(PRODUCT_VIEWS, value, user.encode())) == "accepted"


@pytest.mark.parametrize(
    ("field", "longest", "empty"),
    [
        ("category", 100, "accepted"),
        ("country", 50, "accepted"),
        ("payment_method", 50, "accepted"),
        ("product_id", 100, "invalid_field"),
        ("session_id", 100, "invalid_field"),
    ],
)
def test_optional_texts(field: str, longest: int, empty: str) -> None:
    for value, expected in (
        (None, "accepted"),
        ("x" * longest, "accepted"),
        ("x" * (longest + 1), "invalid_field"),
        ("", empty),
        (7, "invalid_field"),
        (False, "invalid_field"),
    ):
        assert verdict(TRANSACTIONS, encode(TRANSACTIONS, **{field: value})) == expected


@pytest.mark.parametrize("topic", [TRANSACTIONS, CART_EVENTS])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1", "accepted"),
        ("1000000", "accepted"),
        ("1000001", "invalid_field"),
        ("9" * 5000, "invalid_field"),
        ("0", "invalid_field"),
        ("-1", "invalid_field"),
        ("1.0", "invalid_field"),
        ("1e2", "invalid_field"),
        ("1.5", "invalid_field"),
        ('"1"', "invalid_field"),
        ("true", "invalid_field"),
    ],
)
def test_quantity(topic: str, text: str, expected: str) -> None:
    assert verdict(topic, literal(topic, "quantity", text)) == expected


@pytest.mark.parametrize("absent", [..., None])
def test_quantity_of_a_cart_event_is_required_and_of_an_order_it_is_one(absent: Any) -> None:
    assert verdict(CART_EVENTS, encode(CART_EVENTS, quantity=absent)) == "invalid_field"
    event = validate(TRANSACTIONS, record(TRANSACTIONS, encode(TRANSACTIONS, quantity=absent)), RULES)
    assert event.values[COLUMNS[TRANSACTIONS].index("quantity")] == 1


@pytest.mark.parametrize("action", [..., None, "buy", "ADD", "", 1, ["add"]])
def test_wrong_action(action: Any) -> None:
    assert verdict(CART_EVENTS, encode(CART_EVENTS, action=action)) == "invalid_field"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1", "accepted"),
        ("-1.5e3", "accepted"),
        ("1e-400", "accepted"),
        ("1e400", "invalid_field"),
        ("9" * 400, "invalid_field"),
        ("true", "invalid_field"),
        ('"1"', "invalid_field"),
        ("null", "invalid_field"),
    ],
)
def test_measured_value(text: str, expected: str) -> None:
    assert verdict(SYSTEM_METRICS, literal(SYSTEM_METRICS, "value", text)) == expected


@pytest.mark.parametrize(
    "text", ['"NaN"', '"1,5"', '""', "true", "null", "[]", "{}", "-0.001", "-1", "1e10", '"1e400"']
)
def test_invalid_amount(text: str) -> None:
    assert verdict(TRANSACTIONS, literal(TRANSACTIONS, "total_amount", text)) == "invalid_amount"


def test_missing_amount_is_a_missing_field() -> None:
    assert verdict(TRANSACTIONS, encode(TRANSACTIONS, total_amount=...)) == "invalid_field"


@pytest.mark.parametrize("field", ["transaction_id", "user_id", "category", "session_id"])
def test_nul_character(field: str) -> None:
    assert verdict(TRANSACTIONS, encode(TRANSACTIONS, **{field: "a\0b"})) == "nul_character"


def test_nul_in_an_unknown_field_is_ignored() -> None:
    assert verdict(TRANSACTIONS, encode(TRANSACTIONS, unknown="a\0b")) == "accepted"


@pytest.mark.parametrize("topic", SOURCE_TOPICS)
@pytest.mark.parametrize("key", [None, b"", b"somebody", b"u1 ", b"\xff"])
def test_key_mismatch(topic: str, key: bytes | None) -> None:
    candidate = record(topic, encode(topic))._replace(key=key)
    assert verdict_of(topic, candidate) == "key_mismatch"


@pytest.mark.parametrize("topic", SOURCE_TOPICS)
@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ("2025-12-01T12:05:00Z", "accepted"),
        ("2025-12-01T12:05:00.000001Z", "future_timestamp"),
        ("2025-12-01T13:05:00+01:00", "accepted"),
        ("2025-12-01T12:05:00.000001", "future_timestamp"),
        ("1970-01-01T00:00:00Z", "accepted"),
        ("1969-12-31T23:59:59.999999Z", "implausible_timestamp"),
        ("0001-01-01T00:00:00-05:00", "implausible_timestamp"),
        ("0001-01-01T00:00:00Z", "implausible_timestamp"),
        ("0001-01-01T00:00:00+01:00", "implausible_timestamp"),
    ],
)
def test_future_timestamp(topic: str, time: str, expected: str) -> None:
    assert verdict(topic, encode(topic, timestamp=time)) == expected


@pytest.mark.parametrize(
    ("time", "expected"), [("2025-11-30T12:00:00Z", "accepted"), ("2025-11-30T11:59:59.999999Z", "beyond_retention")]
)
@pytest.mark.parametrize("topic", SOURCE_TOPICS)
def test_beyond_retention(topic: str, time: str, expected: str) -> None:
    rules = Rules(future_tolerance_seconds=300, retention_days=1)
    assert verdict(topic, encode(topic, timestamp=time), rules) == expected


@pytest.mark.parametrize(
    ("time", "expected"), [("2019-12-31T23:59:59Z", "implausible_timestamp"), ("2020-01-01T01:00:00+01:00", "accepted")]
)
def test_the_earliest_plausible_time_is_a_setting(time: str, expected: str) -> None:
    earliest_us = to_us(datetime(2020, 1, 1, tzinfo=UTC))
    rules = Rules(future_tolerance_seconds=300, retention_days=None, earliest_us=earliest_us)
    assert verdict(TRANSACTIONS, encode(TRANSACTIONS, timestamp=time), rules) == expected


def test_a_record_without_a_kafka_timestamp() -> None:
    unstamped = record(TRANSACTIONS, encode(TRANSACTIONS))._replace(time_ms=-1)
    assert verdict_of(TRANSACTIONS, unstamped) == "no_kafka_timestamp"


def test_last_of_equal_keys_wins() -> None:
    value = encode(TRANSACTIONS)[:-1] + b', "user_id": "u2", "user_id": "u1"}'
    assert verdict(TRANSACTIONS, value) == "accepted"
    for last in (b"5", b'"u1", "user_id": 5', b'5, "user_id": "u1"'):
        value = encode(TRANSACTIONS)[:-1] + b', "user_id": ' + last + b"}"
        assert verdict(TRANSACTIONS, value) == "invalid_field"


def test_precedence() -> None:
    """Each step repairs the fault that was named, and the next one in the order shows."""
    fields: dict[str, Any] = {
        "transaction_id": "",
        "total_amount": -1,
        "category": "\0",
        "timestamp": "2025-12-02T12:00:00Z",
    }
    stranger = record(TRANSACTIONS, encode(TRANSACTIONS, **fields)[:-1], b"other")
    order = [verdict_of(TRANSACTIONS, stranger)]
    repairs: list[dict[str, Any]] = [{}, {"transaction_id": "t"}, {"total_amount": 1}]
    for repair in [*repairs, {"category": "c"}]:
        fields |= repair
        value = encode(TRANSACTIONS, **fields)
        order.append(verdict_of(TRANSACTIONS, record(TRANSACTIONS, value, b"other")))
    order.append(verdict(TRANSACTIONS, value))
    assert order == [
        "malformed_json",
        "invalid_field",
        "invalid_amount",
        "nul_character",
        "key_mismatch",
        "future_timestamp",
    ]


@pytest.mark.parametrize(
    ("topic", "schema"),
    [(PRODUCT_VIEWS, ProductViewEvent), (CART_EVENTS, CartEvent), (SYSTEM_METRICS, SystemMetricEvent)],
)
@pytest.mark.parametrize(
    "text",
    ["null", "0", "1", "1.0", "1.5", "-1", "1e400", "true", '""', '"x"', '"add"', "[]", "{}"]
    + [f'"{"x" * length}"' for length in (50, 51, 100, 101)]
    + [f'"{time}"' for time in ("2025-12-01 12:00:00", "2025-12-01", "2025-12-01T12:00")],
)
def test_fields_agree_with_the_published_schemas(topic: str, schema: type, text: str) -> None:
    """The schemas and these rules are written apart; on one spoiled field they say the same."""
    for field in COLUMNS[topic]:
        value = literal(topic, field, text)
        try:
            fields = msgspec.to_builtins(msgspec.json.decode(value, type=schema))
            key = fields["host" if topic == SYSTEM_METRICS else "user_id"].encode()
            expected = "accepted"
        except msgspec.ValidationError:
            key, expected = KEYS[topic], "invalid_field"
        assert verdict_of(topic, record(topic, value, key)) == expected, field
