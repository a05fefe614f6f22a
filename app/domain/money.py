"""Exact amounts: from the bytes of a JSON value to integer cents, without a float on the way."""

import re
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Final, NamedTuple

MAX_AMOUNT_CENTS: Final = 999_999_999_999  # 9,999,999,999.99

_CENT: Final = Decimal("0.01")
_MAX_AMOUNT: Final = Decimal(MAX_AMOUNT_CENTS).scaleb(-2)
_PLAIN: Final = re.compile(rb'("?)(\d{1,10})(?:\.(\d{1,2}))?\1')
_NUMBER: Final = re.compile(rb'("?)(-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)\1')


class AmountError(ValueError):
    """The value is not an amount the contract allows."""


class Cents(NamedTuple):
    """An amount in cents; `rounded` tells that it came with more than two significant decimals."""

    cents: int
    rounded: bool


def parse_cents(json_value: bytes) -> Cents:
    """Cents of a JSON number or of a string in JSON number grammar, rounded half up.

    Raises AmountError for anything else, for negative amounts and beyond 9,999,999,999.99.
    """
    plain = _PLAIN.fullmatch(json_value)
    if plain is None:
        return _parse_any(json_value)
    whole, fraction = plain.group(2), plain.group(3)
    if len(whole) > 1 and whole[0] == 0x30:
        raise AmountError("leading zero")
    cents = int(whole) * 100
    if fraction is not None:
        cents += int(fraction) if len(fraction) == 2 else int(fraction) * 10
    return Cents(cents, False)


def _parse_any(json_value: bytes) -> Cents:
    number = _NUMBER.fullmatch(json_value)
    if number is None:
        raise AmountError("neither a number nor a decimal string")
    try:
        amount = Decimal(number.group(2).decode("ascii"))
    except InvalidOperation:
        raise AmountError("exponent out of range") from None
    if not amount.is_finite() or amount < 0:
        raise AmountError("negative or not finite")
    if amount > _MAX_AMOUNT + _CENT:
        raise AmountError("above 9,999,999,999.99")
    exact = amount.quantize(_CENT, rounding=ROUND_HALF_UP)
    cents = int(exact.scaleb(2))
    if cents > MAX_AMOUNT_CENTS:
        raise AmountError("above 9,999,999,999.99")
    return Cents(cents, exact != amount)


def decimal_from_cents(cents: int) -> Decimal:
    """The amount as a Decimal with two places."""
    return Decimal(cents).scaleb(-2)
