"""Reads orders from a CSV file: checks all of it before anything is sent.

A first pass splits and checks every row and keeps it on disk. Then the rows of each id are looked at together, and
every order is judged as a worker will judge it. Only what the ledger will store is an order; every other row is
refused with its line and reason.

A file without ids gets `csv-<digest>-<n>`: the digest of the content of the columns that are read, and the how
many-eth row of that content it is. The same rows in another export get the same ids, whatever rows stand before or
after them, and are counted once.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import chain, groupby
from pathlib import Path
from typing import Any, Final

import orjson

from app.events.decoding import Decoder
from app.events.topics import transactions
from app.generator.arrivals import DAY_US
from app.generator.csv_amounts import EXACT, refuse_out_of_range
from app.generator.csv_file import (
    CellReader,
    Line,
    Row,
    TextFile,
    encoding_name,
    find_delimiter,
    open_text,
    separator_line,
)
from app.generator.csv_format import WHITESPACE, CsvError, CsvFormat, ImportRequest, RowError, SameId
from app.generator.csv_report import EXAMPLES, ImportReport, conclude
from app.generator.csv_rows import EMPTY, Header, ParsedRow, RowReader, field_names
from app.generator.csv_spool import Refusal, Spool, SpooledOrder, SpooledRow, row_key
from app.generator.record import timestamp_text

TIME: Final = "implausible time"
CONFLICT: Final = "rows of one id that contradict each other"
_LINES_SHOWN: Final = 6
_NOTICE_SECONDS: Final = 10.0
_DELIMITERS: Final = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe", " ": "space"}


@dataclass(slots=True)
class _Draft:
    """An order while the rows of its id are added up."""

    line: int
    rows: int = 0
    at_us: int | None = None
    user_id: str = ""
    amount: Decimal | None = None
    currency: str = ""
    quantity: int | None = None
    texts: dict[str, str] = field(default_factory=dict)
    differing: set[str] = field(default_factory=set)
    fault: str = ""

    def add(self, row: ParsedRow) -> None:
        """Add a row; a text that differs from row to row is no text of the order."""
        self.rows += 1
        if row.at_us is not None:
            self.at_us = row.at_us if self.at_us is None else min(self.at_us, row.at_us)
        if row.amount is not None:
            self.amount = EXACT.add(self.amount or Decimal(0), row.amount)
        if row.quantity is not None:
            self.quantity = (self.quantity or 0) + row.quantity
        for name in ("user_id", "currency"):
            mine, other = getattr(self, name), getattr(row, name)
            if mine and other and mine != other:
                self.fault = f"its rows in lines {self.line} and {row.line} differ in {name}"
            setattr(self, name, mine or other)
        for name, text in row.texts.items():
            if self.texts.setdefault(name, text) != text:
                self.differing.add(name)


class Assembly:
    """Makes orders of rows, judges them, and keeps them."""

    def __init__(self, same_id: SameId, request: ImportRequest, spool: Spool, report: ImportReport) -> None:
        self._same_id = same_id
        self._request = request
        self._spool = spool
        self._report = report
        self._decoder = Decoder(transactions.TOPIC, request.limits.time)
        self._shift_us = 0
        self._guests = 0
        self._vague = 0

    def run(self) -> None:
        """Go through the rows of every id."""
        latest = self._spool.latest_us()
        if self._request.shift_end_us is not None and latest is not None:
            self._shift_us = (self._request.shift_end_us - latest) // DAY_US * DAY_US
        for (_, own_id), rows in groupby(self._spool.rows_by_key(), key=lambda found: (found.key, found.row.given_id)):
            if own_id and self._same_id is SameId.ADD:
                self._added_up(own_id, rows)
            elif own_id:
                self._single(own_id, (found.row for found in rows))
            else:
                self._without_id(found.row for found in rows)
        self._note()

    def _without_id(self, rows: Iterator[ParsedRow]) -> None:
        for number, row in enumerate(rows, start=1):
            event = _Draft(row.line)
            event.add(row)
            self._finish(f"csv-{row.content.hex()}-{number}", event)

    def _single(self, own_id: str, rows: Iterator[ParsedRow]) -> None:
        """The first row is the order; others repeat it or contradict it."""
        first = next(rows)
        event = _Draft(first.line)
        event.add(first)
        self._finish(own_id, event)
        lines, repeats = [first.line], 0
        for row in rows:
            repeats += 1
            identical = row.content == first.content
            if len(lines) < _LINES_SHOWN:
                lines.append(row.line)
            if self._same_id is SameId.ONCE and not identical:
                reason = (
                    f"id {own_id!r} is that of line {first.line}, with other content: correct one of them, or "
                    f"--same-id add if they are lines of one order"
                )
                self._spool.refuse(Refusal(row.line, CONFLICT, reason, row.amount))
            else:
                (self._report.identical if identical else self._report.conflicting).add(row.amount)
        examples = self._report.repeated_examples
        if repeats and len(examples) < EXAMPLES:
            more = f" and {repeats + 1 - len(lines)} more" if repeats + 1 > len(lines) else ""
            examples.append(f"{own_id}: lines {', '.join(map(str, lines))}{more}")

    def _added_up(self, own_id: str, rows: Iterator[SpooledRow]) -> None:
        """The rows are lines of one order; one that is refused takes the others with it."""
        event: _Draft | None = None
        cut = False
        for _, row, broken, cut in rows:  # noqa: B007 - it is one for all rows of the id
            if broken:
                reason = f"another row of the order {own_id!r} is refused"
                self._spool.refuse(Refusal(row.line, "part of a refused order", reason, row.amount))
                continue
            event = event or _Draft(row.line)
            event.add(row)
        if event is None:
            return
        if cut and event.amount is None:
            # What is left of an order whose row with the amount was filtered out.
            self._report.left_out.add(None, event.rows)
            return
        for name in event.differing:
            event.texts.pop(name, None)
        self._vague += bool(event.differing)
        self._finish(own_id, event)

    def _finish(self, own_id: str, event: _Draft) -> None:
        """Keep the order, or refuse all its rows."""
        try:
            order, amount = self._order(own_id, event)
        except RowError as error:
            of_rows = f" (order {own_id!r}, {event.rows} rows)" if event.rows > 1 else ""
            self._spool.refuse(Refusal(event.line, error.kind, f"{error}{of_rows}", event.amount, event.rows))
            return
        self._spool.add_order(order)
        self._report.count_order(order.at_us, order.cents, amount, event.currency)
        self._report.merged += event.rows - 1

    def _order(self, own_id: str, event: _Draft) -> tuple[SpooledOrder, Decimal]:
        if event.fault:
            raise RowError(CONFLICT, event.fault)
        if event.at_us is None or event.amount is None:
            absent = "timestamp" if event.at_us is None else "total_amount"
            raise RowError(EMPTY, f"{absent} is empty in every row of the order")
        refuse_out_of_range(event.amount)
        if not event.user_id:
            self._guests += 1
        user_id = event.user_id or f"guest-{own_id}"
        fields: dict[str, Any] = {
            "transaction_id": own_id,
            "user_id": user_id,
            "total_amount": orjson.Fragment(f"{EXACT.add(event.amount, Decimal(0)):f}"),
            **event.texts,
        }
        if event.quantity is not None:
            fields["quantity"] = event.quantity
        at_us = event.at_us + self._shift_us
        self._check_time(at_us)
        cents = self._judged(fields, user_id, at_us)
        return SpooledOrder(at_us, event.line, user_id, cents, orjson.dumps(fields)), event.amount

    def _check_time(self, at_us: int) -> None:
        """Raise RowError for a time the workers refuse; the words say what to do about it."""
        limits = self._request.limits
        earliest_us = limits.time.earliest_us
        if at_us < earliest_us:
            raise RowError(
                TIME,
                f"{_readable(at_us)} lies before {_readable(earliest_us)}, the earliest time that is taken: correct "
                f"the date, or the year's digits in --date-format",
            )
        if limits.now_us is None:
            return
        kafka_us = limits.now_us // 1_000 * 1_000
        if at_us > kafka_us + limits.time.future_tolerance_us:
            raise RowError(
                TIME,
                f"{_readable(at_us)} lies in the future: correct the date, or name the zone of the file's times with "
                f"--timezone",
            )
        retention_us = limits.time.retention_us
        if retention_us is not None and at_us < kafka_us - retention_us:
            raise RowError(
                TIME,
                f"{_readable(at_us)} is older than the {retention_us // DAY_US} days orders are kept "
                f"(GLOBALMART_STREAM_RETENTION_DAYS): leave it out, or --shift-to-now moves all dates",
            )

    def _judged(self, fields: dict[str, Any], user_id: str, at_us: int) -> int:
        """The cents a worker will store; raises RowError where it would refuse."""
        value = orjson.dumps({**fields, "timestamp": timestamp_text(at_us)})
        now_us = self._request.limits.now_us
        kafka_ms = (at_us if now_us is None else now_us) // 1_000
        decoded = self._decoder.decode([_Sent(kafka_ms, user_id.encode(), value)])
        if decoded.dead_letters:
            letter = decoded.dead_letters[0]
            raise RowError(str(letter.reason), f"{letter.reason}: {letter.detail}")
        self._report.rounded += len(decoded.rounded_offsets)
        return decoded.rows[0].amount_cents

    def _note(self) -> None:
        if self._guests:
            self._report.notes.append(
                f"orders without a user_id: {self._guests:,}; each is of a customer of its own (--guests)"
            )
        if self._vague:
            self._report.notes.append(
                f"orders with lines of different products, categories or the like: {self._vague:,}; these fields "
                f"stay empty there"
            )


@dataclass(slots=True)
class _Sent:
    """A record as a worker will read it."""

    timestamp: int
    key: bytes | None
    value: bytes | None
    offset: int = 0
    headers: tuple[tuple[str, bytes | None], ...] = ()


def _readable(at_us: int) -> str:
    return f"{timestamp_text(at_us)[:19].replace('T', ' ')} UTC"


def read_orders(path: Path, layout: CsvFormat, request: ImportRequest) -> tuple[Spool, ImportReport]:
    """Return the orders of a file, on disk, and what was found; close the spool when they are sent.

    Raises CsvError for a file that is none, for columns that are missing, for unusable rows unless `skip_bad`, and
    wherever the sum of the orders would not be known to be the file's.
    """
    spool = Spool()
    report = ImportReport(path.name)
    try:
        with open_text(path, layout.encoding) as text:
            reader = _read_rows(text, layout, request, spool, report)
        Assembly(layout.same_id, request, spool, report).run()
        conclude(reader, layout, request, spool, report)
    except BaseException:
        spool.close()
        raise
    return spool, report


def _read_rows(
    text: TextFile, layout: CsvFormat, request: ImportRequest, spool: Spool, report: ImportReport
) -> RowReader:
    """Check every row by itself and keep it."""
    cells, found = _cell_reader(text, layout)
    rows = cells.rows()
    first = next(rows, None)
    if first is None:
        raise CsvError(f"{text.name} has no header: its first line must name the columns")
    if first.fault is not None:
        raise CsvError(f"{text.name}, line {first.line}: {first.fault}")
    header = Header(text.name, first.cells, layout)
    reader = RowReader(header, layout)
    cells.is_row = reader.is_row
    notice = time.monotonic() + _NOTICE_SECONDS
    for row in rows:
        if row.fault is None and not any(cell and not cell.isspace() for cell in row.cells):
            continue
        report.rows += 1
        _keep(row, reader, layout.same_id, spool, report)
        if report.rows % 5_000 == 0 and time.monotonic() > notice:
            notice = time.monotonic() + _NOTICE_SECONDS
            request.say(f"{text.name}: {text.lines_read:,} lines read")
    report.lines = text.lines_read
    report.read_as = _read_as(text, found)
    if not text.ends_with_line_end:
        report.notes.append(f"line {text.lines_read}, the last, has no line end: make sure that it is not cut off")
    return reader


def _keep(row: Row, reader: RowReader, same_id: SameId, spool: Spool, report: ImportReport) -> None:
    try:
        if row.fault is not None:
            raise row.fault
        parsed = reader.read(row.line, row.cells)
        if parsed is None:
            report.left_out.add(reader.money(row.cells))
            spool.leave_out(row_key(reader.given_id(row.cells)))
            return
        if same_id is not SameId.ADD or not parsed.given_id:
            refuse_out_of_range(parsed.amount or Decimal(0))
    except RowError as error:
        refusal = Refusal(row.line, error.kind, str(error), reader.money(row.cells))
        spool.refuse(refusal, row_key(reader.given_id(row.cells)) or None)
    else:
        spool.add_row(parsed)


def _cell_reader(text: TextFile, layout: CsvFormat) -> tuple[CellReader, str]:
    """The reader of a file's cells, and how it came by the delimiter."""
    lines = text.lines()
    first = next((line for line in lines if line.text.strip()), Line(1, ""))
    asked = separator_line(first.text)
    if asked is not None:
        delimiter = layout.delimiter or asked
        return CellReader(lines, delimiter), f"{_name(delimiter)} (its line sep=)"
    delimiter = layout.delimiter or find_delimiter(first.text, field_names(layout))
    said = "" if layout.delimiter else " (found)"
    return CellReader(chain([first], lines), delimiter), f"{_name(delimiter)}{said}"


def _name(delimiter: str) -> str:
    return delimiter if delimiter == WHITESPACE else _DELIMITERS.get(delimiter, repr(delimiter))


def _read_as(text: TextFile, delimiter: str) -> str:
    packed = f" in {text.compression}" if text.compression else ""
    return f"{encoding_name(text.encoding)}{packed}, delimiter {delimiter}"
