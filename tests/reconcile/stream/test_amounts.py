"""Amounts from JSON numbers and decimal strings."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.reconcile.stream.json_values import BadAmountError, parse_amount


@pytest.mark.parametrize(
    ("text", "amount", "rounded"),
    [
        ("0", "0.00", False),
        ("-0", "0.00", False),
        ("12.34", "12.34", False),
        ("1.230", "1.23", False),
        ("1.005", "1.01", True),
        ("1.0049999999999999999999999999999999", "1.00", True),
        ("0.004", "0.00", True),
        ("1e3", "1000.00", False),
        ("1.5E+2", "150.00", False),
        ("1230e-3", "1.23", False),
        ("123e-2", "1.23", False),
        ("9999999999.99", "9999999999.99", False),
        ("9999999999.994", "9999999999.99", True),
        ("0e99999999999999999999", "0.00", False),
        ("1e-99999999999999999999", "0.00", True),
    ],
)
def test_amounts(text: str, amount: str, rounded: bool) -> None:
    found, was_rounded = parse_amount(text)
    assert (str(found), was_rounded) == (amount, rounded)


@pytest.mark.parametrize(
    "text",
    [
        *("", " 1", "1 ", "1\n", "+1", "01", ".5", "1.", "1e", "0x1", "1_000", "1,5", "\u0661"),
        *("NaN", "Infinity", "-0.001", "-1", "9999999999.995", "1e10", "1e99999999999999999999"),
    ],
)
def test_no_amounts(text: str) -> None:
    with pytest.raises(BadAmountError):
        parse_amount(text)


@given(st.integers(0, 10**12), st.integers(3, 40))
def test_rounds_half_up(digits: int, decimals: int) -> None:
    amount, rounded = parse_amount(f"{digits}e-{decimals}")
    cents = (Fraction(digits, 10**decimals) * 100 + Fraction(1, 2)).__floor__()
    assert amount == Decimal(cents).scaleb(-2)
    assert rounded == (digits % 10 ** (decimals - 2) != 0)
    assert amount.as_tuple().exponent == -2
