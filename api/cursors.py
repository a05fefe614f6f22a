"""Opaque cursors: the end of a page, and the parameters that it belongs to."""

import base64
import binascii
import hashlib
from datetime import datetime
from typing import Any, NamedTuple

import orjson

from app.domain.timestamps import EPOCH, MICROSECOND


class Place(NamedTuple):
    """The last row of a page, in an order by time and id."""

    time: datetime
    id: int


def encode(place: Place, question: Any) -> str:
    """Returns a cursor after that row, valid only for the same parameters."""
    content = [(place.time - EPOCH) // MICROSECOND, place.id, _digest(question)]
    return base64.urlsafe_b64encode(orjson.dumps(content)).decode().rstrip("=")


def decode(cursor: str, question: Any) -> Place:
    """Returns the row to continue after; raises ValueError for a cursor of other parameters."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        time_us, row_id, digest = orjson.loads(base64.b64decode(padded, altchars=b"-_"))
        place = Place(EPOCH + time_us * MICROSECOND, int(row_id))
    except (binascii.Error, ValueError, TypeError, OverflowError):
        raise ValueError("this is not a cursor; use next_cursor of the previous page") from None
    if digest != _digest(question) or not 0 <= place.id < 2**63:
        raise ValueError("this cursor belongs to other parameters; repeat those of its page")
    return place


def _digest(question: Any) -> str:
    return hashlib.blake2b(orjson.dumps(question), digest_size=6).hexdigest()
