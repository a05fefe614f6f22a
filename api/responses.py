"""Answers: JSON with exact amounts, their time, and conditional requests."""

import hashlib
import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Annotated, Any, Final

import orjson
from fastapi import Request, Response
from pydantic import ConfigDict, WithJsonSchema

from app.domain.money import CENTS, PLACES, cents_of

#: A decimal that is a number in JSON, for the models of the OpenAPI file.
Amount = Annotated[Decimal, WithJsonSchema({"type": "number"})]
#: SQL type of sums.
SUM_TYPE: Final = f"NUMERIC(38, {PLACES})"
_OPTIONS: Final = orjson.OPT_UTC_Z | orjson.OPT_NAIVE_UTC
#: An entity tag in a list (RFC 9110, 8.8.3); its text may hold commas.
_TAG: Final = re.compile(r'(?:W/)?("[^"]*")')


def example(*texts: str) -> ConfigDict:
    """Returns the configuration of a model with these examples, each a JSON text."""
    return ConfigDict(json_schema_extra={"examples": [orjson.loads(text) for text in texts]})


def to_json(payload: Any) -> bytes:
    """Encodes Decimals as exact numbers, and times in UTC with a Z."""
    return orjson.dumps(payload, default=_decimal, option=_OPTIONS)


def average(total: Decimal, count: int) -> Decimal | None:
    """Returns the mean of an amount in cents, rounded half up to the cent; None if the count is 0."""
    if count == 0:
        return None
    return ratio(cents_of(total), CENTS * count, PLACES)


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


def etag_of(body: bytes) -> str:
    """A strong tag: equal tags mean equal bytes."""
    return f'"{hashlib.blake2b(body, digest_size=16).hexdigest()}"'


def matches(if_none_match: Iterable[str], etag: str) -> bool:
    """Whether a client holds the answer already (RFC 9110, 13.1.2: weak comparison, or `*`).

    `if_none_match` are all lines of that name: they are one list.
    """
    return any(line.strip() == "*" or etag in _TAG.findall(line) for line in if_none_match)


def cacheable_response(request: Request, payload: Any) -> Response:
    """Returns the payload as JSON; 304 without a body when `If-None-Match` matches."""
    body = to_json(payload)
    etag = etag_of(body)
    headers = {"ETag": etag, "Cache-Control": "private, no-cache"}
    if matches(request.headers.getlist("If-None-Match"), etag):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type="application/json", headers=headers)


def version_tag(version: int) -> str:
    """The entity tag of a version, which a change sends back in `If-Match`."""
    return f'"{version}"'


def versioned_response(payload: Any, version: int, status: int = 200) -> Response:
    """Returns the payload as JSON that must not be cached; its tag is the version to change."""
    headers = {"Cache-Control": "no-store", "ETag": version_tag(version)}
    return Response(to_json(payload), status, headers, media_type="application/json")


def uncached_response(payload: Any, status: int = 200) -> Response:
    """Returns the payload as JSON that must not be cached."""
    return Response(to_json(payload), status, {"Cache-Control": "no-store"}, media_type="application/json")
