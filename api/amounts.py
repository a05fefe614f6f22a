"""JSON whose decimals are exact: an amount is never a float on the way out."""

from decimal import Decimal
from typing import Annotated, Any, Final

import orjson
from pydantic import WithJsonSchema

#: A decimal that is a number in JSON, for the models of the OpenAPI file.
Amount = Annotated[Decimal, WithJsonSchema({"type": "number"})]

_OPTIONS: Final = orjson.OPT_UTC_Z | orjson.OPT_NAIVE_UTC


def to_json(payload: Any) -> bytes:
    """Encode with Decimals as numbers, digit by digit, and times in UTC with a Z."""
    return orjson.dumps(payload, default=_decimal, option=_OPTIONS)


def average(total: Decimal, count: int) -> Decimal | None:
    """Exact mean of an amount in whole cents, rounded half up to the cent; None without any."""
    if count == 0:
        return None
    return ratio(int(total.scaleb(2)), 100 * count, 2)


def ratio(numerator: int, denominator: int, places: int) -> Decimal | None:
    """Exact quotient of whole numbers that are not negative, rounded half up; None over nothing."""
    if denominator == 0:
        return None
    shifted = numerator * 10**places
    return Decimal((2 * shifted + denominator) // (2 * denominator)).scaleb(-places)


def _decimal(value: object) -> orjson.Fragment:
    if isinstance(value, Decimal):
        return orjson.Fragment(format(value, "f"))
    raise TypeError(f"{type(value).__name__} has no place in an answer")
