"""Deletions by retention, as recorded by `globalmart maintain`."""

from typing import Final, NamedTuple


class Deletion(NamedTuple):
    """Rows of a partition that retention has deleted: their number, and an upper bound of their event time."""

    before_us: int
    rows: int


NO_DELETION: Final = Deletion(-(2**63), 0)
