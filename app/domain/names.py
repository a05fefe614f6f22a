"""The words for a name that is missing."""

from functools import lru_cache
from typing import Final

UNKNOWN: Final = "unknown"
#: The previous segment of a customer who had none.
NO_SEGMENT: Final = "(none)"
#: Names recur; a shop has fewer than this.
_CACHED: Final = 4096


@lru_cache(_CACHED)
def name_or_unknown(name: str | None) -> str:
    """The name an event counts under, everywhere; `unknown` for null, for blanks and for the word itself in any case.

    PostgreSQL has the same rule in its function of this name, Spark in `batch.unknowns`.
    """
    if name is None:
        return UNKNOWN
    bare = name.strip()
    # Only ASCII: some other letters, such as the Kelvin sign, have an ASCII letter as their lower case.
    return UNKNOWN if not bare or (bare.isascii() and bare.lower() == UNKNOWN) else name
