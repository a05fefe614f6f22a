"""Corrections: merge patches, whole values, keys; numbers keep their digits."""

import pytest

from app.ops.dead_letters.correction import Correction, DeadLetterError, parse_assignments, parse_patch
from app.topics import SYSTEM_METRICS, TRANSACTIONS


@pytest.mark.parametrize(
    ("assignments", "corrected"),
    [
        (["a=1"], b'{"a":1,"b":{"c":2,"d":3}}'),
        (["a=9999999999.990"], b'{"a":9999999999.990,"b":{"c":2,"d":3}}'),
        (["a=ten"], b'{"a":"ten","b":{"c":2,"d":3}}'),
        (['a="7"'], b'{"a":"7","b":{"c":2,"d":3}}'),
        (["a=null"], b'{"b":{"c":2,"d":3}}'),
        (['b={"c":null,"e":[1]}'], b'{"a":0.10,"b":{"d":3,"e":[1]}}'),
        (["a=x=y", "b=null"], b'{"a":"x=y"}'),
    ],
)
def test_fields_are_set_and_removed(assignments: list[str], corrected: bytes) -> None:
    correction = Correction(parse_assignments(assignments))
    raw = b'{"a": 0.10, "b": {"c": 2, "d": 3}}'
    assert correction.apply(TRANSACTIONS, b"k", raw) == (b"k", corrected)


def test_nothing_asked_for_changes_no_byte() -> None:
    raw = b'{"a" :  1.0 } '
    assert Correction().apply(TRANSACTIONS, None, raw) == (None, raw)


def test_the_key_is_taken_from_the_corrected_event() -> None:
    correction = Correction(parse_assignments(["host=web-1"]), rekey=True)
    assert correction.apply(SYSTEM_METRICS, b"x", b"{}") == (b"web-1", b'{"host":"web-1"}')
    with pytest.raises(DeadLetterError, match="no user_id"):
        Correction(rekey=True).apply(TRANSACTIONS, b"x", b"{}")


@pytest.mark.parametrize("raw", [b"{", b"[1]", b'{"a": NaN}', b"\xff", b"", None])
def test_what_is_no_json_object_needs_a_whole_value(raw: bytes | None) -> None:
    with pytest.raises(DeadLetterError, match="--value FILE"):
        Correction({"a": 1}).apply(TRANSACTIONS, b"k", raw)
    replaced = Correction({"b": 2}, value=b'{"a":1}').apply(TRANSACTIONS, b"k", raw)
    assert replaced == (b"k", b'{"a":1,"b":2}')


def test_wrong_assignments_and_patches_are_named() -> None:
    with pytest.raises(DeadLetterError, match="'amount' is not field=value"):
        parse_assignments(["amount"])
    with pytest.raises(DeadLetterError, match="not a JSON object"):
        parse_patch(b"[]")
