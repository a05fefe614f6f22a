"""Opaque cursors: where a page ended, and which question it answered."""

import base64
import binascii
import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

import orjson

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class Place(NamedTuple):
    """The last row of a page, in an order by time and id."""

    time: datetime
    id: int


def encode(place: Place, question: Any) -> str:
    """A cursor behind that row, good for the same question only."""
    content = [(place.time - _EPOCH) // _MICROSECOND, place.id, _digest(question)]
    return base64.urlsafe_b64encode(orjson.dumps(content)).decode().rstrip("=")


def decode(cursor: str, question: Any) -> Place:
    """The row behind which to go on; raises ValueError for a cursor that is not of this question."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        time_us, row_id, digest = orjson.loads(base64.b64decode(padded, altchars=b"-_"))
        place = Place(_EPOCH + time_us * _MICROSECOND, int(row_id))
    except (binascii.Error, ValueError, TypeError, OverflowError):
        raise ValueError("this is no cursor; use next_cursor of the page before") from None
    if digest != _digest(question) or not 0 <= place.id < 2**63:
        raise ValueError("this cursor belongs to other parameters; repeat those of its page")
    return place


def _digest(question: Any) -> str:
    return hashlib.blake2b(orjson.dumps(question), digest_size=6).hexdigest()
