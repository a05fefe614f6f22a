"""JSON with exact decimals: an amount never becomes a float."""

from decimal import Decimal
from typing import Annotated, Any, Final

import orjson
from pydantic import WithJsonSchema

#: A decimal that is a number in JSON, for the models of the OpenAPI file.
Amount = Annotated[Decimal, WithJsonSchema({"type": "number"})]

_OPTIONS: Final = orjson.OPT_UTC_Z | orjson.OPT_NAIVE_UTC


def to_json(payload: Any) -> bytes:
    """Encodes Decimals as exact numbers, and times in UTC with a Z."""
    return orjson.dumps(payload, default=_decimal, option=_OPTIONS)


def average(total: Decimal, count: int) -> Decimal | None:
    """Returns the mean of an amount in cents, rounded half up to the cent; None if the count is 0."""
    if count == 0:
        return None
    return ratio(int(total.scaleb(2)), 100 * count, 2)


def ratio(numerator: int, denominator: int, places: int) -> Decimal | None:
    """Returns the quotient of non-negative integers, rounded half up; None if the denominator is 0."""
    if denominator == 0:
        return None
    shifted = numerator * 10**places
    return Decimal((2 * shifted + denominator) // (2 * denominator)).scaleb(-places)


def _decimal(value: object) -> orjson.Fragment:
    if isinstance(value, Decimal):
        return orjson.Fragment(format(value, "f"))
    raise TypeError(f"a response cannot contain a {type(value).__name__}")
