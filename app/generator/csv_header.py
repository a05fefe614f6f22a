"""Finds the columns of a file's fields by their names."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from shlex import quote
from typing import Final

from app.generator.csv_format import CURRENCY, FIELDS, MAPPABLE, REQUIRED, CsvError, CsvFormat, SameId

_AMOUNT: Final = "total_amount"
_CURRENCY_NAMES: Final = (
    "currency",
    "currency code",
    "currency_code",
    "order currency",
    "order_currency",
    "währung",
    "waehrung",
    "devise",
    "moneda",
    "valuta",
    "waluta",
    "moeda",
)
#: Columns that say whether a row is a sale at all.
_EVENT_NAMES: Final = ("event_type", "event type", "event_name")
_STATUS_ENDINGS: Final = ("status", "order state")
_CANCELLED_NAMES: Final = ("cancelled at", "canceled at", "cancelled_at", "canceled_at")
#: Names that shops give to what an order needs, for a hint.
_USUAL: Final = {
    "user_id": (
        "customer_id",
        "customerid",
        "customer id",
        "customer",
        "email",
        "customer email",
        "billing email",
        "e-mail (abrechnung)",
        "kundennummer",
        "kunde",
        "user",
    ),
    "timestamp": (
        "created at",
        "created_at",
        "order date",
        "order_date",
        "purchase date",
        "date",
        "invoicedate",
        "event_time",
        "bestelldatum",
        "datum",
        "order_purchase_timestamp",
        "time",
        "zeit",
    ),
    "total_amount": (
        "total",
        "order total",
        "order_total",
        "grand total",
        "grand total (purchased)",
        "grand total (base)",
        "amount",
        "gesamtsumme",
        "summe",
        "betrag",
        "price",
        "revenue",
        "sum",
    ),
}


@dataclass(frozen=True, slots=True)
class Filter:
    """Rows kept, or left out, by the value of a column."""

    position: int
    column: str
    values: frozenset[str]
    keep: bool


@dataclass(frozen=True, slots=True)
class Header:
    """Where the cells of a row belong; positions count from 0.

    `amount` is a sum of products of columns. `unnamed` are columns without a name, whose cells must be empty.
    `statuses` are columns nobody filters by although they may say that a row is no sale.
    """

    width: int
    fields: dict[str, int]
    amount: tuple[tuple[int, ...], ...]
    filters: tuple[Filter, ...]
    unnamed: tuple[int, ...]
    statuses: dict[str, int]
    cancelled: dict[str, int]
    events: dict[str, int]

    @property
    def read(self) -> dict[str, tuple[int, ...]]:
        """Positions of the cells that make an order, by field in the order of their names."""
        terms = tuple(position for term in self.amount for position in term)
        single = {name: (position,) for name, position in self.fields.items()}
        return dict(sorted({**single, _AMOUNT: terms}.items()))


def read_header(file: str, cells: Sequence[str], layout: CsvFormat) -> Header:
    """Return where everything is; raises CsvError for columns that are missing or there twice."""
    names = _Names(file, [cell.strip() for cell in cells])
    wanted = {field: column for field, column in layout.columns.items() if field != _AMOUNT}
    fields = {field: names.position(column) for field, column in wanted.items()}
    for field in FIELDS:
        if field not in fields and field != _AMOUNT and names.has(field):
            fields[field] = names.position(field)
    if layout.same_id is SameId.SEPARATE and "transaction_id" not in fields:
        raise CsvError("--same-id says what rows of one id are: map transaction_id too")
    if CURRENCY not in fields:
        found = next((name for name in _CURRENCY_NAMES if names.has(name)), None)
        if found is not None:
            fields[CURRENCY] = names.position(found)
    amount = _amount(names, layout.columns.get(_AMOUNT, _AMOUNT))
    absent = [field for field in REQUIRED if field != _AMOUNT and field not in fields]
    if layout.guests and "user_id" in absent:
        absent.remove("user_id")
    if absent or not amount:
        names.missing([*absent, *([] if amount else [layout.columns.get(_AMOUNT, _AMOUNT)])])
    filters = tuple(
        Filter(names.position(column), column, values, keep)
        for keep, chosen in ((True, layout.only), (False, layout.without))
        for column, values in chosen.items()
    )
    return _header(names, fields, amount, filters)


def _header(
    names: "_Names", fields: dict[str, int], amount: tuple[tuple[int, ...], ...], filters: tuple[Filter, ...]
) -> Header:
    filtered = {one.position for one in filters}
    free = {name: n for n, name in enumerate(names.names) if name and n not in filtered}
    events = {name: n for name, n in free.items() if name.casefold() in _EVENT_NAMES}
    statuses = {
        name: n for name, n in free.items() if name.casefold().endswith(_STATUS_ENDINGS) and n not in fields.values()
    }
    cancelled = {name: n for name, n in free.items() if name.casefold() in _CANCELLED_NAMES}
    # A first column without a name is the row number of a data frame: no cell can have slipped into it.
    unnamed = tuple(n for n, name in enumerate(names.names) if not name and n)
    return Header(len(names.names), fields, amount, filters, unnamed, statuses, cancelled, events)


class _Names:
    """The names of a header; a name is found as it is written, or in other letters' case."""

    def __init__(self, file: str, names: Sequence[str]) -> None:
        self.names = list(names)
        self._file = file
        self._folded = [name.casefold() for name in names]
        self._counts = Counter(self._folded)

    def has(self, name: str) -> bool:
        """Whether a column has the name."""
        return self._counts[name.strip().casefold()] > 0

    def position(self, name: str) -> int:
        """The one column of a name; raises CsvError if there is none, or more than one."""
        folded = name.strip().casefold()
        if self._counts[folded] > 1:
            places = [str(n + 1) for n, other in enumerate(self._folded) if other == folded]
            raise CsvError(
                f"{self._file} has {len(places)} columns named {name.strip()} (columns {' and '.join(places)}): "
                f"rename or remove all but one"
            )
        if not self._counts[folded]:
            self.missing([name])
        return self._folded.index(folded)

    def missing(self, columns: Sequence[str]) -> None:
        """Raise CsvError for columns that are not there."""
        there = ", ".join(name or "(no name)" for name in self.names)
        guesses = [f"--map {quote(f'{field}={found}')}" for field in columns if (found := self._usual(field))]
        hint = "Name the columns with --map field=column"
        if guesses:
            hint += f", perhaps {' '.join(guesses)},"
        hint += " and check --delimiter"
        if "user_id" in columns:
            hint += "; where the file names no customers, --guests makes one of each order"
        raise CsvError(f"{self._file} has no column {', '.join(columns)}; its first line has: {there}. {hint}")

    def _usual(self, field: str) -> str:
        """The column that may hold what is missing, by its usual names."""
        known = [name for name in _USUAL.get(field, ()) if self._counts[name] == 1]
        return self.names[self._folded.index(known[0])] if known else ""


def _amount(names: _Names, text: str) -> tuple[tuple[int, ...], ...]:
    """The column of a name, or a sum of products of columns; empty if neither."""
    if names.has(text):
        return ((names.position(text),),)
    if not any(sign in text for sign in "*+"):
        return ()
    return tuple(tuple(names.position(column) for column in term.split("*")) for term in text.split("+"))


def field_names(layout: CsvFormat) -> list[str]:
    """The columns a header should have."""
    amount = layout.columns.get(_AMOUNT, _AMOUNT)
    parts = [part for term in amount.split("+") for part in term.split("*")]
    return [*MAPPABLE, *layout.columns.values(), *parts, *layout.only, *layout.without]
