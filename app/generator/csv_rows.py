"""Finds the columns of a file's fields, and checks the cells of each row, with the reason where one is wrong."""

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal, Inexact
from shlex import quote
from typing import Any, Final, NamedTuple

import orjson

from app.events.topics.declaration import MAX_QUANTITY
from app.events.topics.transactions import TOPIC
from app.generator.csv_amounts import AMOUNT, EXACT, NumberReader
from app.generator.csv_file import CELLS
from app.generator.csv_format import CURRENCY, FIELDS, MAPPABLE, REQUIRED, CsvError, CsvFormat, RowError, SameId
from app.generator.csv_times import TimeReader

_AMOUNT: Final = "total_amount"
#: Names separated by bars, in small letters.
_CURRENCY_NAMES: Final = (
    "currency|currency code|currency_code|order currency|order_currency|"
    "währung|waehrung|devise|moneda|valuta|waluta|moeda"
)
#: Columns that say whether a row is a sale at all.
_EVENT_NAMES: Final = ("event_type", "event type", "event_name")
_STATUS_ENDINGS: Final = ("status", "order state")
_CANCELLED_NAMES: Final = ("cancelled at", "canceled at", "cancelled_at", "canceled_at")
#: Names that shops give to what an order needs, for a hint.
_USUAL: Final = {
    "user_id": "customer_id|customerid|customer id|customer|email|customer email|billing email|e-mail (abrechnung)|"
    "kundennummer|kunde|user",
    "timestamp": "created at|created_at|order date|order_date|purchase date|date|invoicedate|event_time|bestelldatum|"
    "datum|order_purchase_timestamp|time|zeit",
    "total_amount": "total|order total|order_total|grand total|grand total (purchased)|grand total (base)|amount|"
    "gesamtsumme|summe|betrag|price|revenue|sum",
}
TEXT: Final = "text"
EMPTY: Final = "empty cell"
ID: Final = "damaged id"
_TEXTS: Final = [field for field in TOPIC.fields if field.is_text]
_LENGTHS: Final = {field.name: field.longest for field in _TEXTS}
_IDS: Final = [field.name for field in _TEXTS if field.shortest]
_EXCEL_ID: Final = re.compile(r"[0-9](?:[.,][0-9]+)?E\+[0-9]{2,}", re.I)
_CONTROLS: Final = re.compile("[\x80-\x9f]")
_MOST_STATUSES: Final = 20


class Header:
    """Where the cells of a row belong; positions count from 0.

    A name is found as it is written, or in other letters' case. `amount` is a sum of products of columns. `filters` are
    columns whose values keep rows, or leave them out. `unnamed` are columns without a name, whose cells must be empty.
    `statuses` are columns nobody filters by although they may say that a row is no sale.
    """

    def __init__(self, file: str, cells: Sequence[str], layout: CsvFormat) -> None:
        """Raises CsvError for columns that are missing or there twice."""
        self._file = file
        self._names = [cell.strip() for cell in cells]
        self._folded = [name.casefold() for name in self._names]
        self._counts = Counter(self._folded)
        self.width = len(cells)
        self.fields = self._find_fields(layout)
        self.amount = self._find_amount(layout)
        self.filters = [
            (self._position(column), values, keep)
            for keep, chosen in ((True, layout.only), (False, layout.without))
            for column, values in chosen.items()
        ]
        filtered = {position for position, _, _ in self.filters}
        free = {name: n for n, name in enumerate(self._names) if name and n not in filtered}
        taken = self.fields.values()
        self.events = {name: n for name, n in free.items() if name.casefold() in _EVENT_NAMES}
        self.statuses = {
            name: n for name, n in free.items() if name.casefold().endswith(_STATUS_ENDINGS) and n not in taken
        }
        self.cancelled = {name: n for name, n in free.items() if name.casefold() in _CANCELLED_NAMES}
        # A first column without a name is the row number of a data frame: no cell can have slipped into it.
        self.unnamed = [n for n, name in enumerate(self._names) if not name and n]

    @property
    def read(self) -> dict[str, list[int]]:
        """Positions of the cells that make an order, by field in the order of their names."""
        single = {name: [position] for name, position in self.fields.items()}
        return dict(sorted({**single, _AMOUNT: [position for term in self.amount for position in term]}.items()))

    def _find_fields(self, layout: CsvFormat) -> dict[str, int]:
        fields = {field: self._position(column) for field, column in layout.columns.items() if field != _AMOUNT}
        own = {field: field for field in FIELDS if field not in fields and field != _AMOUNT and self._has(field)}
        fields |= {field: self._position(field) for field in own}
        if layout.same_id is SameId.SEPARATE and "transaction_id" not in fields:
            raise CsvError("--same-id says what rows of one id are: map transaction_id too")
        currency = next(filter(self._has, _CURRENCY_NAMES.split("|")), None)
        if CURRENCY not in fields and currency is not None:
            fields[CURRENCY] = self._position(currency)
        return fields

    def _find_amount(self, layout: CsvFormat) -> list[list[int]]:
        """The column of a name, or a sum of products of columns; raises CsvError for all that is missing."""
        text = layout.columns.get(_AMOUNT, _AMOUNT)
        amount: list[list[int]] = []
        if self._has(text):
            amount = [[self._position(text)]]
        elif "*" in text or "+" in text:
            amount = [[self._position(column) for column in term.split("*")] for term in text.split("+")]
        needed = [field for field in REQUIRED if field != _AMOUNT and not (layout.guests and field == "user_id")]
        absent = [field for field in needed if field not in self.fields]
        if absent or not amount:
            self._refuse_missing([*absent, *([] if amount else [text])])
        return amount

    def _has(self, name: str) -> bool:
        return self._counts[name.strip().casefold()] > 0

    def _position(self, name: str) -> int:
        """The one column of a name; raises CsvError if there is none, or more than one."""
        folded = name.strip().casefold()
        if self._counts[folded] > 1:
            places = [str(n + 1) for n, other in enumerate(self._folded) if other == folded]
            raise CsvError(
                f"{self._file} has {len(places)} columns named {name.strip()} (columns {' and '.join(places)}): "
                f"rename or remove all but one"
            )
        if not self._counts[folded]:
            self._refuse_missing([name])
        return self._folded.index(folded)

    def _refuse_missing(self, columns: Sequence[str]) -> None:
        """Raise CsvError for columns that are not there."""
        there = ", ".join(name or "(no name)" for name in self._names)
        guesses = [f"--map {quote(f'{field}={found}')}" for field in columns if (found := self._usual(field))]
        hint = f", perhaps {' '.join(guesses)}," if guesses else ""
        guest = "; where the file names no customers, --guests makes one of each order" if "user_id" in columns else ""
        raise CsvError(
            f"{self._file} has no column {', '.join(columns)}; its first line has: {there}. Name the columns with "
            f"--map field=column{hint} and check --delimiter{guest}"
        )

    def _usual(self, field: str) -> str:
        """The column that may hold what is missing, by its usual names."""
        known = [name for name in _USUAL.get(field, "").split("|") if self._counts[name] == 1]
        return self._names[self._folded.index(known[0])] if known else ""


def field_names(layout: CsvFormat) -> list[str]:
    """The columns a header should have."""
    amount = layout.columns.get(_AMOUNT, _AMOUNT)
    parts = [part for term in amount.split("+") for part in term.split("*")]
    return [*MAPPABLE, *layout.columns.values(), *parts, *layout.only, *layout.without]


class ParsedRow(NamedTuple):
    """What a row says of an order; None where its cell is empty.

    `content` is a digest of all that was read, `given_id` an empty text where the file has no id.
    """

    line: int
    given_id: str
    at_us: int | None
    user_id: str
    amount: Decimal | None
    currency: str
    quantity: int | None
    texts: dict[str, str]
    content: bytes


class RowReader:
    """Reads rows of one file; `statuses` counts values nobody filters by."""

    def __init__(self, header: Header, layout: CsvFormat) -> None:
        self.numbers = NumberReader(layout.decimal)
        self.times = TimeReader(layout.date_format, layout.timezone)
        self.doubtful_line = 0
        self.without_id = 0
        self.cancelled = next(iter(header.cancelled), "")
        self.cancelled_rows = 0
        self.statuses: dict[str, Counter[str]] = {name: Counter() for name in header.statuses}
        self._events: dict[str, set[str]] = {name: set() for name in header.events}
        self._header = header
        self._read = header.read
        self._same_id = layout.same_id
        self._guests = layout.guests

    def is_row(self, cells: list[str]) -> bool:
        """Whether a line within a text looks like a row of its own: enough cells, and one of them a time."""
        if len(cells) < self._header.width:
            return False
        return any(self.times.is_time(cell.strip(' "')) for cell in cells)

    def given_id(self, cells: list[str]) -> str:
        """The id of a row whose cells can be separated, or an empty text."""
        position = self._header.fields.get("transaction_id")
        if position is None or position >= len(cells) or self._same_id is SameId.SEPARATE:
            return ""
        return cells[position].strip()

    def money(self, cells: list[str]) -> Decimal | None:
        """The amount of a row that is refused, if it can be read."""
        try:
            return self._amount(cells)[0]
        except (RowError, IndexError):
            return None

    def read(self, line: int, cells: list[str]) -> ParsedRow | None:
        """The order's parts, or None for a row that is left out; raises RowError for the first fault."""
        self._check_width(cells)
        if self._filtered(cells):
            return None
        texts = {name: cells[position].strip() for name, position in self._header.fields.items()}
        given_id = texts.pop("transaction_id", "")
        self._check_texts({"transaction_id": given_id, **texts})
        amount, sign = self._amount(cells)
        if not self.doubtful_line and self.numbers.doubtful:
            self.doubtful_line = line
        at_text, user_id = texts.pop("timestamp"), texts.pop("user_id", "")
        currency = texts.pop(CURRENCY, "") or sign
        quantity = self._quantity(texts.pop("quantity", ""))
        content = self._content(cells)
        if self._same_id is SameId.SEPARATE:
            given_id = ""
        elif not given_id and "transaction_id" in self._header.fields:
            self.without_id += 1
        if not (given_id and self._same_id is SameId.ADD):
            self._check_complete(user_id, at_text, amount)
        at_us = self.times.read(at_text) if at_text else None
        self._look_at_statuses(cells)
        texts = {name: text for name, text in texts.items() if text}
        return ParsedRow(line, given_id, at_us, user_id, amount, currency, quantity, texts, content)

    def _check_width(self, cells: list[str]) -> None:
        width = self._header.width
        if len(cells) < width:
            raise RowError(
                CELLS,
                f"the row has {len(cells)} cells, the header {width}: the row is cut off, or a cell holds a line "
                f"end without quotes",
            )
        if len(cells) > width:
            # Empty ones too: of 19,99 and an empty cell behind it nothing else would be seen.
            raise RowError(
                CELLS,
                f"the row has {len(cells)} cells, the header {width}: put a text or a number that holds the "
                f"delimiter in quotes (a decimal comma, for example), or check --delimiter; where every row ends "
                f"with a delimiter, the header must too",
            )
        for position in self._header.unnamed:
            if cells[position].strip():
                raise RowError(
                    CELLS,
                    f"cell {position + 1} ({cells[position].strip()[:20]!r}) has no column name: name the column in "
                    f"the first line, or empty it; is it the rest of the cell before it?",
                )

    def _filtered(self, cells: list[str]) -> bool:
        return any((cells[position].strip() in values) is not keep for position, values, keep in self._header.filters)

    def _check_texts(self, texts: dict[str, str]) -> None:
        for name, text in texts.items():
            if len(text) > _LENGTHS.get(name, 200):
                raise RowError(TEXT, f"{name} has {len(text)} characters, at most {_LENGTHS.get(name, 200)} are taken")
            if not text.isascii() and _CONTROLS.search(text):
                raise RowError(
                    TEXT, f"{name} holds a control character: the file seems to be in --encoding windows-1252"
                )
        for name in _IDS:
            if _EXCEL_ID.fullmatch(texts.get(name, "")):
                raise RowError(
                    ID,
                    f"{name} {texts[name]!r} was cut by Excel, which turns long numbers into scientific notation: "
                    f"the digits are lost. Export the file again and do not save it in Excel, or import the column "
                    f"there as text",
                )

    def _check_complete(self, user_id: str, at_text: str, amount: Decimal | None) -> None:
        if not user_id and not self._guests:
            raise RowError(
                EMPTY, "user_id is empty: fill it in, or --guests makes a customer of each order without one"
            )
        if not at_text:
            raise RowError(EMPTY, "timestamp is empty: fill it in")
        if amount is None:
            raise RowError(
                EMPTY,
                "total_amount is empty: fill it in (where only the first row of an order has the amount, add "
                "--same-id add)",
            )

    def _amount(self, cells: list[str]) -> tuple[Decimal | None, str]:
        """The sum of the products, and the currency sign of a cell; None if a cell is empty."""
        try:
            return self._sum_of_products(cells)
        except Inexact:
            raise RowError(AMOUNT, "total_amount has more digits than can be added up exactly") from None

    def _sum_of_products(self, cells: list[str]) -> tuple[Decimal | None, str]:
        total, currency = Decimal(0), ""
        for term in self._header.amount:
            product = Decimal(1)
            for position in term:
                text = cells[position].strip()
                if not text:
                    return None, ""
                money = self.numbers.read(text)
                product = EXACT.multiply(product, money.amount) if len(term) > 1 else money.amount
                currency = money.currency or currency
            total = EXACT.add(total, product) if len(self._header.amount) > 1 else product
        return total, currency

    def _quantity(self, text: str) -> int | None:
        if not text:
            return None
        try:
            number = self.numbers.read(text).amount
        except RowError:
            raise RowError(TEXT, f"quantity {text!r} is no number") from None
        if number != int(number) or abs(number) > MAX_QUANTITY:
            raise RowError(TEXT, f"quantity {text!r} is no whole number up to {MAX_QUANTITY:,}")
        return int(number)

    def _content(self, cells: list[str]) -> bytes:
        """A digest of the cells read, by field: what makes the ids of a file that has none."""
        read: list[Any] = [
            [name, [cells[position].strip() for position in positions]] for name, positions in self._read.items()
        ]
        return hashlib.blake2b(orjson.dumps(read), digest_size=16).digest()

    def _look_at_statuses(self, cells: list[str]) -> None:
        for name, counts in self.statuses.items():
            value = cells[self._header.statuses[name]].strip()
            if value in counts or len(counts) < _MOST_STATUSES:
                counts[value] += 1
        for position in self._header.cancelled.values():
            self.cancelled_rows += bool(cells[position].strip())
        for name, values in self._events.items():
            values.add(cells[self._header.events[name]].strip())
            if len(values) > 1:
                choice = "purchase" if "purchase" in values else min(values)
                raise CsvError(
                    f"the column {name} says that not every row is an order ({', '.join(sorted(values))}, …): say "
                    f"which are, for example --only {name}={choice}"
                )
