"""Amounts: every form JSON allows, against a naive reading with the standard library's own parser."""

import json
from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.domain.money import MAX_AMOUNT_CENTS, AmountError, Cents, decimal_from_cents, parse_cents

ACCEPTED = [
    (b"0", 0, False),
    (b"-0", 0, False),
    (b"-0.00", 0, False),
    (b"0.0", 0, False),
    (b"0e5", 0, False),
    (b"1", 100, False),
    (b"0.1", 10, False),
    (b"0.10", 10, False),
    (b"12.34", 1234, False),
    (b'"12.34"', 1234, False),
    (b"12.340", 1234, False),
    (b"12.345", 1235, True),
    (b"12.344999999999999999999999999999999999999", 1234, True),
    (b"12.345000000000000000000000000000000000000", 1235, True),
    (b"1.005", 101, True),
    (b"2.675", 268, True),
    (b"0.004", 0, True),
    (b"0.005", 1, True),
    (b"1e2", 10_000, False),
    (b"1E+2", 10_000, False),
    (b'"1.5e1"', 1500, False),
    (b"123456e-4", 1235, True),
    (b"1234500e-5", 1235, True),
    (b"1200e-4", 12, False),
    (b"1e-300", 0, True),
    (b"1e-999999999999999999999999", 0, True),
    (b"0e999999999999999999999999", 0, False),
    (rb'"\u0031\u002e5"', 150, False),
    (b"0e-999999", 0, False),
    (b"9999999999.99", MAX_AMOUNT_CENTS, False),
    (b'"9999999999.99"', MAX_AMOUNT_CENTS, False),
    (b"9999999999.994", MAX_AMOUNT_CENTS, True),
    (b"9999999999.9949999", MAX_AMOUNT_CENTS, True),
    (b"0." + b"0" * 5000 + b"1", 0, True),
]

REFUSED = [
    b"",
    b'""',
    b'"',
    b"null",
    b"true",
    b"[]",
    b"{}",
    b"[1]",
    b"-1",
    b"-0.01",
    b"-0.001",
    b'"-5"',
    b"-1e-300",
    b"01",
    b"00",
    b"007.50",
    b'"01"',
    b"-01",
    b"0000000001.00",
    b"+1",
    b'"+1"',
    b".5",
    b'".5"',
    b"5.",
    b'"5."',
    b"1.e2",
    b"1e",
    b"1e+",
    b"1e1.5",
    b"NaN",
    b'"NaN"',
    b'"sNaN"',
    b"Infinity",
    b'"Infinity"',
    b"-Infinity",
    b'"inf"',
    b" 1",
    b"1 ",
    b"1\n",
    b'" 1"',
    b'"1 "',
    b'"1\\n"',
    b'"1\n"',
    b"\t1",
    b"1_000",
    b'"1_000"',
    b"1,000",
    b'"1,50"',
    b"0x10",
    b'"$5"',
    b'"5 USD"',
    b'"five"',
    "\u0661\u0662".encode(),
    '"\u0661\u0662"'.encode(),
    '"\uff11.00"'.encode(),
    b'"12.34',
    b'12.34"',
    b'""12.34""',
    b"'12.34'",
    b"1\x00",
    b"--1",
    b"1.2.3",
    b"10000000000",
    b"9999999999.995",
    b"9999999999.999",
    b"1e10",
    b"1e400",
    b"1e999999999999999999999999",
    b"\xff",
    b'"\xff"',
    b"9" * 5000,
]


@pytest.mark.parametrize(("value", "cents", "rounded"), ACCEPTED, ids=lambda v: str(v)[:40])
def test_accepted_forms(value: bytes, cents: int, rounded: bool) -> None:
    assert parse_cents(value) == Cents(cents, rounded)


@pytest.mark.parametrize("value", REFUSED, ids=lambda v: str(v)[:40])
def test_refused_forms(value: bytes) -> None:
    with pytest.raises(AmountError):
        parse_cents(value)


def _refuse_constant(name: str) -> Decimal:
    raise ValueError(name)


def _json_number(text: str) -> Decimal:
    if text != text.strip():
        raise ValueError("white space")
    number = json.loads(text, parse_float=Decimal, parse_int=Decimal, parse_constant=_refuse_constant)
    if not isinstance(number, Decimal):
        raise ValueError("not a number")
    return number


def naive_cents(value: bytes) -> Cents | None:
    """What the contract says about the value, read by `json` and rounded by `decimal`; None = refused."""
    text = value.decode()
    try:
        inner = json.loads(text) if text.startswith('"') else text
        amount = _json_number(inner)
    except ValueError:
        return None
    if amount > 10**11:
        return None
    rounded = amount.quantize(Decimal("0.01"), rounding=ROUND_HALF_UP)
    if amount < 0 or rounded > Decimal("9999999999.99"):
        return None
    return Cents(int(rounded * 100), rounded != amount)


def _parsed(value: bytes) -> Cents | None:
    try:
        return parse_cents(value)
    except AmountError:
        return None


_DIGITS = st.text("0123456789", min_size=1, max_size=12)
_NUMBERS = st.builds(
    lambda sign, whole, fraction, exponent, quotes: f"{quotes}{sign}{whole}{fraction}{exponent}{quotes}",
    st.sampled_from(["", "", "", "-", "+"]),
    _DIGITS,
    st.one_of(st.just(""), _DIGITS.map(lambda digits: f".{digits}")),
    st.one_of(st.just(""), st.integers(-14, 8).map(lambda power: f"e{power}")),
    st.sampled_from(["", '"']),
)


@given(_NUMBERS)
@example("9999999999.994999999999")
@example("9999999999.995")
def test_numbers_agree_with_a_naive_reading(text: str) -> None:
    assert _parsed(text.encode()) == naive_cents(text.encode())


@given(st.text(alphabet='0123456789.-+eE" _,\t\u0664\uff15NaIinfty', max_size=14))
def test_near_numbers_agree_with_a_naive_reading(text: str) -> None:
    assert _parsed(text.encode()) == naive_cents(text.encode())


@given(st.integers(0, MAX_AMOUNT_CENTS))
def test_cents_survive_the_way_through_a_decimal_text(cents: int) -> None:
    amount = decimal_from_cents(cents)
    assert amount.as_tuple().exponent == -2
    assert amount * 100 == cents
    assert parse_cents(str(amount).encode()) == Cents(cents, False)
    assert parse_cents(f'"{amount}"'.encode()) == Cents(cents, False)
