"""What a category or a country an event does not name is called, wherever events are added up."""

from functools import lru_cache
from typing import Final

UNKNOWN: Final = "unknown"
#: Names recur; a shop has fewer.
_REMEMBERED: Final = 4096


@lru_cache(_REMEMBERED)
def name_or_unknown(name: str | None) -> str:
    """The name an event counts under; `unknown` for null, for blanks and for the word itself in any case.

    PostgreSQL has the same rule in its function of this name, Spark in `batch.unknowns`.
    """
    if name is None:
        return UNKNOWN
    bare = name.strip()
    # Beyond ASCII other letters have these as their small ones: the Kelvin sign is no K of `unknown`.
    return UNKNOWN if not bare or (bare.isascii() and bare.lower() == UNKNOWN) else name
