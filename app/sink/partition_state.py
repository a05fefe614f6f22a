"""The in-memory state of one partition between two chunks."""

from dataclasses import dataclass

from app.domain.pseudonyms import NO_ERASED_USERS, ErasedUsers
from app.sink.ledger import Progress
from tables.sales_state import SalesState


@dataclass(slots=True)
class PartitionState:
    """In-memory state of a partition; a function of the rows accepted below `progress.next_offset`.

    `erased` are the users erased from it, as of `progress.erasures`.
    """

    progress: Progress
    sales: SalesState | None = None
    erased: ErasedUsers = NO_ERASED_USERS
