"""Orders from a CSV file, as a source of records.

Each row is an order of its own: two identical rows are two orders. A file without a column for
`transaction_id` gets `csv-<digest>-<row>`: eight hex digits of the row's text and its number (the
first row after the header is 1), so sending a file again repeats the same ids and counts nothing
twice.
"""

import csv
import hashlib
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final

import msgspec
import orjson

from app.domain.money import MAX_AMOUNT_CENTS
from app.events.schemas import TransactionEvent
from app.errors import GlobalMartError
from app.generator.record import Record, encode, timestamp_text
from app.generator.tally import Tally
from app.topics import TRANSACTIONS

WHITESPACE: Final = "whitespace"
REQUIRED: Final = ("user_id", "timestamp", "total_amount")
FIELDS: Final = TransactionEvent.__struct_fields__
_DAY_US: Final = 86_400_000_000
_NEVER_US: Final = 1 << 62
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class CsvError(GlobalMartError):
    """The file cannot be read as orders; the message names the line and the fix."""


@dataclass(frozen=True, slots=True)
class CsvFormat:
    """Layout of a file: column of each field, delimiter or "whitespace", date format or ISO."""

    columns: Mapping[str, str]
    delimiter: str = ","
    date_format: str | None = None


@dataclass(frozen=True, slots=True)
class CsvOrder:
    """One row: its time in microseconds, its customer, and its fields without the timestamp."""

    at_us: int
    user_id: str
    fields: dict[str, Any]


def read_orders(path: Path, layout: CsvFormat, *, skip_bad: bool) -> tuple[list[CsvOrder], int]:
    """Return the orders of a file in order of time and the number of rows skipped as unusable.

    Raises CsvError for a missing column, and for an unusable row unless `skip_bad`.
    """
    orders, skipped = [], 0
    for number, row in enumerate(_rows(path, layout), start=1):
        try:
            orders.append(_order(number, row, layout))
        except ValueError as error:
            if not skip_bad:
                raise CsvError(
                    f"{path.name}, row {number}: {error}; fix it or use --skip-bad-rows"
                ) from error
            skipped += 1
    orders.sort(key=lambda order: order.at_us)
    return orders, skipped


def shifted_to(orders: Sequence[CsvOrder], end_us: int) -> list[CsvOrder]:
    """Return the orders moved by whole days, the last of them as late as `end_us` allows."""
    if not orders:
        return []
    shift_us = (end_us - orders[-1].at_us) // _DAY_US * _DAY_US
    return [CsvOrder(order.at_us + shift_us, order.user_id, order.fields) for order in orders]


class CsvSource:
    """Plays orders that are sorted by time; their timestamps stay as they are."""

    def __init__(self, orders: Sequence[CsvOrder]) -> None:
        self.tally = Tally()
        self._orders = orders
        self._times = [order.at_us for order in orders]
        self._next = 0

    @property
    def next_us(self) -> int:
        """Time of the next order."""
        return self._times[self._next] if self._next < len(self._times) else _NEVER_US

    def records(self, until_us: int, offset_us: int, record_us: int | None) -> Iterator[Record]:
        """Yield the orders before a time; they are history, so `offset_us` does not move them."""
        stop = bisect_left(self._times, until_us)
        while self._next < stop:
            order = self._orders[self._next]
            self._next += 1
            self.tally.topics[TRANSACTIONS].produced += 1
            value = encode({**order.fields, "timestamp": timestamp_text(order.at_us)})
            at_us = order.at_us if record_us is None else record_us
            yield Record(TRANSACTIONS, order.user_id.encode(), value, at_us)


def _rows(path: Path, layout: CsvFormat) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        if layout.delimiter == WHITESPACE:
            lines: Iterator[list[str]] = (line.split() for line in file if line.strip())
        else:
            lines = (row for row in csv.reader(file, delimiter=layout.delimiter) if row)
        header = [name.strip() for name in next(lines, [])]
        missing = [column for column in layout.columns.values() if column not in header]
        if missing:
            raise CsvError(
                f"{path.name} has no column {', '.join(missing)}; it has: {', '.join(header)}. "
                "Name the columns with --map field=column and check --delimiter"
            )
        for line in lines:
            yield dict(zip(header, line, strict=False))


def _order(number: int, row: dict[str, str], layout: CsvFormat) -> CsvOrder:
    given = {field: row.get(column, "").strip() for field, column in layout.columns.items()}
    given.setdefault("transaction_id", _derived_id(number, row))
    for field in REQUIRED:
        if not given[field]:
            raise ValueError(f"column {layout.columns[field]} is empty")
    at_us = _microseconds(given.pop("timestamp"), layout.date_format)
    fields: dict[str, Any] = {field: text for field, text in given.items() if text}
    fields["total_amount"] = orjson.Fragment(_amount_text(given["total_amount"]))
    if "quantity" in fields:
        fields["quantity"] = int(fields["quantity"])
    _check({**fields, "timestamp": timestamp_text(at_us)})
    return CsvOrder(at_us, given["user_id"], fields)


def _derived_id(number: int, row: dict[str, str]) -> str:
    text = "\x1f".join(row.values()).encode()
    return f"csv-{hashlib.blake2b(text, digest_size=4).hexdigest()}-{number}"


def _microseconds(text: str, date_format: str | None) -> int:
    moment = datetime.strptime(text, date_format) if date_format else datetime.fromisoformat(text)
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    since = aware - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _amount_text(text: str) -> str:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        raise ValueError(f"{text!r} is not an amount") from None
    if not amount.is_finite() or not 0 <= amount * 100 <= MAX_AMOUNT_CENTS:
        raise ValueError(f"the amount {text} is not between 0 and 9999999999.99")
    return f"{amount:f}"


def _check(fields: dict[str, Any]) -> None:
    """Raise ValueError where the pipeline would refuse the order."""
    value = encode(fields)
    if b"\\u0000" in value:
        raise ValueError("a NUL character")
    try:
        msgspec.json.decode(value, type=TransactionEvent)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from None
