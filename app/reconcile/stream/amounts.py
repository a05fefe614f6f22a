"""Amounts of money from JSON numbers and decimal strings, exact to the cent."""

import re
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final

from app.reconcile.stream.strict_json import Number

CENT: Final = Decimal("0.01")
LIMIT: Final = Decimal("9999999999.995")  # the smallest amount that rounds to more than 9,999,999,999.99

_NUMBER: Final = re.compile(r"(-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?)(?:[eE]([+-]?[0-9]+))?")
_EXPONENT_CAP: Final = 10**9  # more than any record has digits, so the amount stays out of range


class BadAmountError(ValueError):
    """Not a decimal from 0 to 9,999,999,999.99."""


def parse_amount(value: Any) -> tuple[Decimal, bool]:
    """Parses an amount, rounded half up to the cent; also returns whether rounding changed it.

    Trailing zeros do not count: `1.230` has two decimals and is not rounded.
    """
    match = _NUMBER.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise BadAmountError("neither a number nor a decimal string")
    mantissa, exponent = match.groups()
    exact = _shifted(Decimal(mantissa), _capped(exponent or "0"))
    if exact < 0 or exact >= LIMIT:
        raise BadAmountError("outside 0 to 9,999,999,999.99")
    amount = exact.quantize(CENT, rounding=ROUND_HALF_UP)
    return abs(amount), amount != exact


def _capped(exponent: str) -> int:
    sign = -1 if exponent.startswith("-") else 1
    digits = exponent.lstrip("+-").lstrip("0") or "0"
    return sign * (_EXPONENT_CAP if len(digits) > 9 else int(digits))


def _shifted(mantissa: Decimal, shift: int) -> Decimal:
    """Returns mantissa times ten to the shift; unlike scaleb() never rounded to a context's precision."""
    sign, digits, exponent = mantissa.as_tuple()
    assert isinstance(exponent, int)
    return Decimal((sign, digits, exponent + shift))


def is_number(value: Any) -> bool:
    """Whether a parsed JSON value is a number (never a boolean)."""
    return isinstance(value, Number)
