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
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Final

from app.generator.csv_amounts import refuse_out_of_range
from app.generator.csv_assembly import Assembly
from app.generator.csv_cells import CellReader, Row, find_delimiter, separator_line
from app.generator.csv_file import Line, TextFile, open_text
from app.generator.csv_format import WHITESPACE, CsvError, CsvFormat, RowError, SameId
from app.generator.csv_header import field_names, read_header
from app.generator.csv_import import ImportRequest
from app.generator.csv_report import ImportReport
from app.generator.csv_rows import RowReader
from app.generator.csv_spool import Refusal, Spool, row_key
from app.generator.csv_verdict import conclude

_NOTICE_SECONDS: Final = 10.0
_DELIMITERS: Final = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe", " ": "space"}


@dataclass(frozen=True, slots=True)
class CsvImport:
    """The orders of a file, on disk, and what was found; close the spool when they are sent."""

    spool: Spool
    report: ImportReport


def read_orders(path: Path, layout: CsvFormat, request: ImportRequest) -> CsvImport:
    """Return the orders of a file.

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
    return CsvImport(spool, report)


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
    header = read_header(text.name, first.cells, layout)
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
            report.leave_out(1, reader.money(row.cells))
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
    return CellReader(_with(first, lines), delimiter), f"{_name(delimiter)}{said}"


def _with(first: Line, lines: Iterator[Line]) -> Iterator[Line]:
    yield first
    yield from lines


def _name(delimiter: str) -> str:
    return delimiter if delimiter == WHITESPACE else _DELIMITERS.get(delimiter, repr(delimiter))


def _read_as(text: TextFile, delimiter: str) -> str:
    encoding = "UTF-8" if text.encoding in ("utf-8", "utf-8-sig") else text.encoding
    packed = f" in {text.compression}" if text.compression else ""
    return f"{encoding}{packed}, delimiter {delimiter}"
