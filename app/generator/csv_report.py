"""What an import found in a file, whether it may be sent, and what to do about it if not."""

import csv
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from app.domain.money import decimal_from_cents
from app.generator.csv_amounts import EXACT
from app.generator.csv_format import CsvError, CsvFormat, ImportRequest, SameId
from app.generator.csv_rows import RowReader
from app.generator.csv_spool import Refusal, Spool
from app.generator.csv_times import DATE, FOLD, GAP
from app.generator.record import timestamp_text

EXAMPLES: Final = 10
_MOST_CURRENCIES: Final = 50
_ZERO: Final = Decimal(0)
#: Words of shops for orders that were called off, paid back or never paid.
_NO_SALE: Final = re.compile(
    r"cancel|refund|void|fail|declin|reject|fraud|storn|erstatt|fehlgeschl|abgebroch|annul|rembours|anulad|reembols",
    re.I,
)


@dataclass(slots=True)
class Sum:
    """A number of rows, and their money as far as it could be read."""

    rows: int = 0
    amount: Decimal = _ZERO

    def add(self, amount: Decimal | None, rows: int = 1) -> None:
        """Count rows."""
        self.rows += rows
        self.amount = EXACT.add(self.amount, amount or _ZERO)


@dataclass(slots=True)
class ImportReport:
    """Rows = orders + merged + identical + conflicting + refused + left out, each with its money.

    `identical` and `conflicting` are rows whose id an earlier row has: the ledger would not count their money.
    """

    file: str
    read_as: str = ""
    lines: int = 0
    rows: int = 0
    orders: int = 0
    cents: int = 0
    exact: Decimal = _ZERO
    rounded: int = 0
    merged: int = 0
    left_out: Sum = field(default_factory=Sum)
    first_us: int | None = None
    last_us: int | None = None
    currencies: dict[str, Decimal] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)
    refused_amount: Decimal = _ZERO
    refused_examples: list[Refusal] = field(default_factory=list)
    refused_file: Path | None = None
    identical: Sum = field(default_factory=Sum)
    conflicting: Sum = field(default_factory=Sum)
    repeated_examples: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def total(self) -> Decimal:
        """The sum of the orders as the ledger will hold it."""
        return decimal_from_cents(self.cents)

    def count_order(self, at_us: int, cents: int, amount: Decimal, currency: str) -> None:
        """Count an order that will be sent."""
        self.orders += 1
        self.cents += cents
        self.exact = EXACT.add(self.exact, amount)
        self.first_us = at_us if self.first_us is None else min(self.first_us, at_us)
        self.last_us = at_us if self.last_us is None else max(self.last_us, at_us)
        if currency not in self.currencies and len(self.currencies) >= _MOST_CURRENCIES:
            currency = "others"
        self.currencies[currency] = self.currencies.get(currency, _ZERO) + decimal_from_cents(cents)

    def count_refusal(self, refusal: Refusal) -> None:
        """Count a row that will not be sent."""
        self.refused[refusal.kind] += refusal.rows
        self.refused_amount = EXACT.add(self.refused_amount, refusal.amount or _ZERO)

    def json(self) -> dict[str, Any]:
        """Everything as JSON-ready values; money as text."""
        return {
            "file": self.file,
            "read_as": self.read_as,
            "lines": self.lines,
            "rows": self.rows,
            "orders": self.orders,
            "sum": str(self.total),
            "sums": {name or "all": str(amount) for name, amount in sorted(self.currencies.items())},
            "first": None if self.first_us is None else timestamp_text(self.first_us),
            "last": None if self.last_us is None else timestamp_text(self.last_us),
            "rounded": self.rounded,
            "lines_of_orders_added": self.merged,
            "left_out": self.left_out.rows,
            "left_out_sum": plain(self.left_out.amount),
            "refused": dict(sorted(self.refused.items())),
            "refused_sum": plain(self.refused_amount),
            "refused_file": None if self.refused_file is None else str(self.refused_file),
            "repeated": {
                "identical": self.identical.rows,
                "identical_sum": plain(self.identical.amount),
                "conflicting": self.conflicting.rows,
                "conflicting_sum": plain(self.conflicting.amount),
            },
            "notes": self.notes,
        }

    def text(self) -> list[str]:
        """The same in lines to read."""
        merged = f" of {self.orders + self.merged:,} rows (added up by id)" if self.merged else ""
        left = self.left_out
        left_out = f"  left out by --only or --without: {left.rows:,}, their amounts {plain(left.amount)}"
        return [
            f"{self.file}: {self.lines:,} lines, {self.rows:,} rows, read as {self.read_as}",
            f"  orders: {self.orders:,}{merged}",
            f"  sum: {self._sums()}",
            f"  time: {self._span()}",
            f"  refused: {self._refused()}",
            f"  repeated: {self._repeated()}",
            *([left_out] if left.rows else []),
            *(f"  note: {note}" for note in self.notes),
        ]

    def _sums(self) -> str:
        if set(self.currencies) <= {""}:
            return f"{self.total:,}"
        sums = ", ".join(f"{amount:,} {name or '(no currency)'}" for name, amount in sorted(self.currencies.items()))
        return sums if len(self.currencies) == 1 else f"{sums}; together {self.total:,}"

    def _span(self) -> str:
        if self.first_us is None or self.last_us is None:
            return "none"
        first, last = (_readable(at_us) for at_us in (self.first_us, self.last_us))
        return f"from {first} to {last} UTC"

    def _refused(self) -> str:
        if not self.refused:
            return "0"
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in self.refused.most_common())
        where = f"; lines and reasons are in {self.refused_file}" if self.refused_file else ""
        return f"{self.refused.total():,} ({kinds}), their amounts {plain(self.refused_amount)}{where}"

    def _repeated(self) -> str:
        if not self.identical.rows + self.conflicting.rows:
            return "0"
        return (
            f"{self.identical.rows:,} rows identical to an earlier one of their id, not counted again "
            f"({plain(self.identical.amount)})"
        )


def plain(amount: Decimal) -> str:
    """An amount with its thousands set apart and at least two decimals."""
    text = f"{amount:,f}"
    whole, _, fraction = text.partition(".")
    return f"{whole}.{fraction.rstrip('0').ljust(2, '0')}"


def _readable(at_us: int) -> str:
    return timestamp_text(at_us)[:19].replace("T", " ")


def conclude(reader: RowReader, layout: CsvFormat, request: ImportRequest, spool: Spool, report: ImportReport) -> None:
    """Complete the report; raises CsvError where nothing must be sent."""
    for refusal in spool.refusals():
        report.count_refusal(refusal)
        if len(report.refused_examples) < EXAMPLES:
            report.refused_examples.append(refusal)
    unwritten = _write_refused(request.refused_file, spool, report)
    report.notes += [*_found(reader, layout, report), *_doubtful_sales(reader)]
    problems = [
        *_refused_rows(reader, request, report),
        *_repeated_ids(layout.same_id, report),
        *_doubtful_numbers(reader),
        *unwritten,
    ]
    if not problems and not report.orders:
        left_out = f": --only or --without left out {report.left_out.rows:,} rows" if report.left_out.rows else ""
        refused = f"; all {report.refused.total():,} rows were refused" if report.refused else ""
        problems = [f"the file holds no orders{left_out}{refused}", *_examples(report)]
    if problems:
        raise CsvError("\n".join([f"{report.file}: nothing was sent", *problems]))


def _refused_rows(reader: RowReader, request: ImportRequest, report: ImportReport) -> list[str]:
    if not report.refused or (request.skip_bad and report.orders):
        return []
    advice = reader.times.advice() if report.refused[DATE] else ""
    total = report.refused.total()
    remedy = (
        f"Correct them, or add --skip-bad-rows to leave them out: {report.orders:,} orders with a sum of "
        f"{report.total:,} would be sent, without the {plain(report.refused_amount)} of these rows"
    )
    return [
        f"{total:,} of {report.rows:,} rows cannot be used:",
        *_examples(report),
        *([f"{advice[0].upper()}{advice[1:]}"] if advice else []),
        *([remedy] if report.orders else []),
    ]


def _examples(report: ImportReport) -> list[str]:
    shown = [f"  line {one.line}: {one.reason}" for one in report.refused_examples]
    more = report.refused.total() - len(shown)
    if more > 0:
        where = f": {report.refused_file} has them all" if report.refused_file else ""
        shown.append(f"  and {more:,} more{where}")
    return shown


def _repeated_ids(same_id: SameId, report: ImportReport) -> list[str]:
    rows = report.identical.rows + report.conflicting.rows
    if same_id is not SameId.STOP or not rows:
        return []
    conflicting = f"{report.conflicting.rows:,} with other content ({plain(report.conflicting.amount)})"
    identical = f"{report.identical.rows:,} identical ({plain(report.identical.amount)})"
    return [
        f"{rows:,} rows have the id of an earlier row, {conflicting}, {identical}. An id is stored once, so "
        f"their money would be missing:",
        *(f"  {example}" for example in report.repeated_examples),
        "Say what the rows of one id are:",
        "  --same-id add       lines of one order: their amounts are added up",
        "  --same-id once      the same order written several times: it counts once",
        "  --same-id separate  orders of their own, although they share an id",
    ]


def _doubtful_numbers(reader: RowReader) -> list[str]:
    text = reader.numbers.doubtful
    if not text:
        return []
    return [
        f"line {reader.doubtful_line}: {text} can be read as {text.replace('.', '')} or as {text}, and no number of "
        f"the file shows which: add --decimal , if the point stands between thousands, or --decimal . if it is "
        f"the decimal sign"
    ]


def _found(reader: RowReader, layout: CsvFormat, report: ImportReport) -> Iterator[str]:
    """Yields how times, ids and amounts were read, where the file leaves a choice."""
    twice, never = reader.times.unclear[FOLD], reader.times.unclear[GAP]
    difference = decimal_from_cents(report.cents) - report.exact
    notes = (
        (
            twice,
            f"times that occur twice in {layout.timezone}, because clocks went back: {twice:,}; the first is taken",
        ),
        (
            never,
            f"times that do not exist in {layout.timezone}, because clocks went forward: {never:,}; moved on by the "
            "step of the clock",
        ),
        (
            reader.without_id,
            f"rows without a transaction_id: {reader.without_id:,}; their ids are made of their content",
        ),
        (
            report.rounded,
            f"amounts with more than two decimals: {report.rounded:,}; rounded to cents. The file's own sum is "
            f"{plain(report.exact)}, the difference {difference:f}",
        ),
        (
            len(report.currencies) > 1,
            "the file has several currencies: the ledger has none and adds the amounts up as they are; import one at "
            "a time with --only if that is not wanted",
        ),
    )
    yield from (note for holds, note in notes if holds)


def _doubtful_sales(reader: RowReader) -> Iterator[str]:
    """Yields which rows may be no sales, and the option that leaves them out."""
    for name, counts in reader.statuses.items():
        no_sales = [value for value in counts if _NO_SALE.search(value)]
        if no_sales:
            values = ", ".join(f"{value} {counts[value]:,}" for value in no_sales)
            yield (
                f"rows whose {name} says that they may be no sales are imported too ({values}): "
                f"--without '{name}={','.join(no_sales)}' leaves them out"
            )
    if reader.cancelled_rows:
        yield (
            f"cancelled orders are imported too (rows with a {reader.cancelled}: {reader.cancelled_rows:,}): "
            f"--only '{reader.cancelled}=' leaves them out"
        )


def _write_refused(path: Path | None, spool: Spool, report: ImportReport) -> list[str]:
    """Write lines and reasons; a file of an earlier import is deleted where nothing is refused.

    Returns what is wrong with the file, if anything is.
    """
    if path is None:
        return []
    try:
        if not report.refused:
            path.unlink(missing_ok=True)
            return []
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(Refusal._fields)
            writer.writerows(spool.refusals())
    except OSError as error:
        return [f"The list of refused rows cannot be written to {path}: {error}. Name another file with --refused-file"]
    report.refused_file = path
    return []
