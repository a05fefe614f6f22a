"""How a CSV file is to be read: its columns, its signs, and what the rows of one id are."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from app.errors import GlobalMartError
from app.events.schemas import TransactionEvent

WHITESPACE: Final = "whitespace"
REQUIRED: Final = ("user_id", "timestamp", "total_amount")
FIELDS: Final = TransactionEvent.__struct_fields__
#: Read for the summary alone: an event has no currency.
CURRENCY: Final = "currency"
MAPPABLE: Final = (*FIELDS, CURRENCY)
#: Date formats of numbers: Unix time.
SECONDS: Final = "seconds"
MILLISECONDS: Final = "milliseconds"


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
