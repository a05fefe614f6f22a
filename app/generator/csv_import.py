"""What is asked of an import beyond the layout of its file."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from app.events.decoding import TimeLimits

#: The earliest time an order may have. The one owner of this bound where no setting is wired in.
EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class ImportLimits:
    """What a worker will judge the orders' times by.

    `now_us` is when the records are sent, which is their Kafka time; None where each record has its order's own.
    """

    now_us: int | None
    time: TimeLimits
    earliest: datetime = EARLIEST


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """How to deal with a file beyond its layout.

    `shift_end_us` moves all times by whole days, the last as late as it allows. `refused_file` is written when rows
    are refused.
    """

    limits: ImportLimits
    skip_bad: bool = False
    shift_end_us: int | None = None
    refused_file: Path | None = None
    say: Say = lambda _: None
