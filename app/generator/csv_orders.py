"""Reads orders from a CSV file.

Each row is an order of its own: two identical rows are two orders. A file without a column for
`transaction_id` gets `csv-<digest>-<row>`: eight hex digits of the row's text and its number (the
first row after the header is 1), so sending a file again repeats the same ids and counts nothing
twice.
"""

import csv
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final, TextIO

import msgspec
import orjson

from app.domain.money import AmountError, parse_cents
from app.errors import GlobalMartError
from app.events.schemas import TransactionEvent
from app.generator.record import encode, timestamp_text

WHITESPACE: Final = "whitespace"
REQUIRED: Final = ("user_id", "timestamp", "total_amount")
FIELDS: Final = TransactionEvent.__struct_fields__
_WHOLE: Final = ""  # the whole row, beside its fields
_DAY_US: Final = 86_400_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class CsvError(GlobalMartError):
    """The file cannot be read as orders; the message names the line and the fix."""


@dataclass(frozen=True, slots=True)
class CsvFormat:
    """Layout of a file: column of each field, delimiter or "whitespace", date format or ISO.

    A field that is not named is read from the column of its own name, if the file has one.
    """

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
    with _file_errors(path.name):
        for number, row in enumerate(_rows(path, layout), start=1):
            try:
                orders.append(_order(number, row, layout))
            except ValueError as error:
                if not skip_bad:
                    raise CsvError(f"{path.name}, row {number}: {error}; fix it or use --skip-bad-rows") from error
                skipped += 1
    orders.sort(key=lambda order: order.at_us)
    return orders, skipped


def shifted_to(orders: Sequence[CsvOrder], end_us: int) -> list[CsvOrder]:
    """Return the orders moved by whole days, the last of them as late as `end_us` allows."""
    if not orders:
        return []
    shift_us = (end_us - orders[-1].at_us) // _DAY_US * _DAY_US
    return [CsvOrder(order.at_us + shift_us, order.user_id, order.fields) for order in orders]


@contextmanager
def _file_errors(name: str) -> Iterator[None]:
    try:
        yield
    except UnicodeDecodeError as error:
        raise CsvError(
            f"{name} is not UTF-8 ({error.reason} at byte {error.start}); convert it, for example "
            f"with `iconv -f latin1 -t utf-8`"
        ) from error
    except (OSError, csv.Error) as error:
        raise CsvError(f"{name} cannot be read: {error}; check the file and --delimiter") from error


def _rows(path: Path, layout: CsvFormat) -> Iterator[dict[str, str]]:
    """Yield the texts of each row by the name of their field."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = _lines(file, layout.delimiter)
        header = [name.strip() for name in next(lines, [])]
        columns = _columns(path.name, header, layout)
        for line in lines:
            texts = dict(zip(header, line, strict=False))
            row = {field: texts.get(column, "").strip() for field, column in columns.items()}
            row.setdefault("transaction_id", "")
            row[_WHOLE] = "\x1f".join(line)
            yield row


def _lines(file: TextIO, delimiter: str) -> Iterator[list[str]]:
    """Yield the cells of every line that is not empty, the header first."""
    if delimiter == WHITESPACE:
        return (line.split() for line in file if line.strip())
    return (row for row in csv.reader(file, delimiter=delimiter) if row)


def _columns(name: str, header: Sequence[str], layout: CsvFormat) -> dict[str, str]:
    own_names = {field: field for field in FIELDS if field in header or field in REQUIRED}
    columns = {**own_names, **layout.columns}
    missing = [column for column in columns.values() if column not in header]
    if missing:
        raise CsvError(
            f"{name} has no column {', '.join(missing)}; it has: {', '.join(header)}. "
            "Name the columns with --map field=column and check --delimiter"
        )
    return columns


def _order(number: int, row: dict[str, str], layout: CsvFormat) -> CsvOrder:
    whole = row.pop(_WHOLE)
    row["transaction_id"] = row["transaction_id"] or _derived_id(number, whole)
    for field in REQUIRED:
        if not row[field]:
            raise ValueError(f"{field} is empty")
    at_us = _microseconds(row.pop("timestamp"), layout.date_format)
    fields: dict[str, Any] = {field: text for field, text in row.items() if text}
    fields["total_amount"] = orjson.Fragment(_amount_text(row["total_amount"]))
    if "quantity" in fields:
        fields["quantity"] = int(fields["quantity"])
    _check({**fields, "timestamp": timestamp_text(at_us)})
    return CsvOrder(at_us, row["user_id"], fields)


def _derived_id(number: int, whole_row: str) -> str:
    digest = hashlib.blake2b(whole_row.encode(), digest_size=4).hexdigest()
    return f"csv-{digest}-{number}"


def _microseconds(text: str, date_format: str | None) -> int:
    moment = datetime.strptime(text, date_format) if date_format else datetime.fromisoformat(text)
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    since = aware - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _amount_text(text: str) -> str:
    """Return the amount as a plain JSON number with all its decimals."""
    try:
        amount = f"{Decimal(text):f}"
        parse_cents(amount.encode())
    except (InvalidOperation, AmountError) as error:
        raise ValueError(f"{text!r} is no amount from 0 to 9999999999.99") from error
    return amount


def _check(fields: dict[str, Any]) -> None:
    """Raise ValueError where the pipeline would refuse the order."""
    value = encode(fields)
    if b"\\u0000" in value:
        raise ValueError("a NUL character")
    try:
        msgspec.json.decode(value, type=TransactionEvent)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from None
