"""What retention has deleted, as `globalmart maintain` has noted it."""

from typing import Final, NamedTuple


class Deletion(NamedTuple):
    """Rows of a partition that retention has deleted: how many, and the event time all of them lie before."""

    before_us: int
    rows: int


NO_DELETION: Final = Deletion(-(2**63), 0)
