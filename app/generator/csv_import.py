"""What is asked of an import beyond the layout of its file."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from app.events.decoding import TimeLimits

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class ImportLimits:
    """What a worker will judge the orders' times by.

    `now_us` is when the records are sent, which is their Kafka time; None where each record has its order's own.
    """

    now_us: int | None
    time: TimeLimits


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
