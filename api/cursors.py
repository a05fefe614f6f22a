"""Opaque cursors: the end of a page, and the parameters that it belongs to."""

import base64
import binascii
import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

import orjson

from app.domain.timestamps import EPOCH, MICROSECOND

_NO_CURSOR: Final = "this is not a cursor; use next_cursor of the previous page"
_OF_OTHERS: Final = "this cursor belongs to other parameters; repeat those of its page"
_MAX_ID: Final = 2**63 - 1


class Place(NamedTuple):
    """The last row of a page, in an order by time and id."""

    time: datetime
    id: int


def encode(place: Place, question: Any) -> str:
    """Returns a cursor after that row, valid only for the same parameters."""
    return encode_parts([(place.time - EPOCH) // MICROSECOND, place.id], question)


def decode(cursor: str, question: Any) -> Place:
    """Returns the row to continue after; raises ValueError for a cursor of other parameters."""
    time_us, row_id = decode_parts(cursor, question, (int, int))
    try:
        place = Place(EPOCH + time_us * MICROSECOND, row_id)
    except OverflowError:
        raise ValueError(_NO_CURSOR) from None
    if not 0 <= place.id <= _MAX_ID:
        raise ValueError(_OF_OTHERS)
    return place


def encode_parts(parts: Sequence[int | str], question: Any) -> str:
    """Returns a cursor after the row that these values tell from all others."""
    return base64.urlsafe_b64encode(orjson.dumps([*parts, _digest(question)])).decode().rstrip("=")


def decode_parts(cursor: str, question: Any, types: Sequence[type]) -> list[Any]:
    """Returns these values; raises ValueError for a cursor of other parameters, and for values of other types."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        parts: list[Any]
        *parts, digest = orjson.loads(base64.b64decode(padded, altchars=b"-_"))
    except (binascii.Error, ValueError, TypeError):
        raise ValueError(_NO_CURSOR) from None
    if [type(part) for part in parts] != list(types):
        raise ValueError(_NO_CURSOR)
    if digest != _digest(question) or any(type(part) is int and abs(part) > _MAX_ID for part in parts):
        raise ValueError(_OF_OTHERS)
    return parts


def _digest(question: Any) -> str:
    return hashlib.blake2b(orjson.dumps(question), digest_size=6).hexdigest()
