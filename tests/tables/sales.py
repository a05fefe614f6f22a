"""Sales for tests of the live figures."""

from typing import NamedTuple


class Sold(NamedTuple):
    """A sale with its instant."""

    timestamp_us: int
    amount_cents: int
    category: str | None
    country: str | None
