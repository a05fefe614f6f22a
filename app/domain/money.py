"""The currency, and exact amounts: from the bytes of a JSON value to integer cents, without a float on the way."""

import json
import re
from decimal import ROUND_HALF_UP, Decimal
from typing import Final, NamedTuple

CURRENCY_CODE: Final = "USD"
CURRENCY_SYMBOL: Final = "$"
#: Digits of an order's amount, and how many of them are decimal places.
DIGITS: Final = 12
PLACES: Final = 2
#: Cents in one unit of the currency, and the reverse.
CENTS: Final = 10**PLACES
CENT: Final = Decimal(1).scaleb(-PLACES)
MAX_AMOUNT_CENTS: Final = 10**DIGITS - 1

_MAX_AMOUNT: Final = Decimal(MAX_AMOUNT_CENTS).scaleb(-PLACES)
_PLAIN: Final = re.compile(rb'("?)(\d{1,10})(?:\.(\d{1,2}))?\1')
_NUMBER: Final = re.compile(r"(-?(?:0|[1-9]\d*)(?:\.\d+)?)(?:[eE]([+-]?\d+))?", re.ASCII)
#: Beyond this every number is zero or too large; Decimal's own limits are far higher.
_EXPONENT_LIMIT: Final = 100_000


class AmountError(ValueError):
    """The value is not an amount that the contract allows."""


class Cents(NamedTuple):
    """An amount in cents; `rounded` if the value had more than two significant decimals."""

    cents: int
    rounded: bool


def parse_cents(json_value: bytes) -> Cents:
    """Parses a JSON number, or a string in JSON number grammar, to cents, rounded half up.

    Raises AmountError for anything else, for negative amounts and for amounts above 9,999,999,999.99.
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
    amount = _exact(json_value)
    if amount < 0:
        raise AmountError("negative")
    if amount > _MAX_AMOUNT + CENT:
        raise AmountError("above 9,999,999,999.99")
    exact = amount.quantize(CENT, rounding=ROUND_HALF_UP)
    cents = cents_of(exact)
    if cents > MAX_AMOUNT_CENTS:
        raise AmountError("above 9,999,999,999.99")
    return Cents(cents, exact != amount)


def _exact(json_value: bytes) -> Decimal:
    """Parses the number; an exponent beyond Decimal's limits is reduced to one with the same result."""
    try:
        text = json_value.decode()
        if text.startswith('"'):
            text = json.loads(text)
    except ValueError:
        raise AmountError("neither a number nor a decimal string") from None
    number = _NUMBER.fullmatch(text)
    if number is None:
        raise AmountError("neither a number nor a decimal string")
    mantissa, exponent = number.groups("0")
    limit = _EXPONENT_LIMIT + len(mantissa)
    return Decimal(f"{mantissa}E{min(max(_small_int(exponent), -limit), limit)}")


def _small_int(digits: str) -> int:
    """Parses an integer, truncated to 18 digits: int() refuses thousands of them."""
    sign = -1 if digits.startswith("-") else 1
    return sign * int(digits.lstrip("+-0")[:18] or "0")


def decimal_from_cents(cents: int) -> Decimal:
    """Converts cents to a Decimal with two places."""
    return Decimal(cents).scaleb(-PLACES)


def cents_of(amount: Decimal) -> int:
    """Converts an amount to cents; further places are cut off."""
    return int(amount.scaleb(PLACES))


def plain_amount(cents: int) -> str:
    """Formats cents for a text, `$1234.50`."""
    return f"{CURRENCY_SYMBOL}{decimal_from_cents(cents)}"


def shown_amount(amount: Decimal | int) -> str:
    """Formats an amount for readers, `$1,234.50`."""
    return f"{CURRENCY_SYMBOL}{amount:,.{PLACES}f}"
