"""Whether what was found in a file may be sent, and what to do about it if not."""

import csv
import re
from pathlib import Path
from typing import Final

from app.domain.money import decimal_from_cents
from app.generator.csv_format import CsvError, CsvFormat, SameId
from app.generator.csv_import import ImportRequest
from app.generator.csv_report import EXAMPLES, ImportReport, listed, plain
from app.generator.csv_rows import RowReader
from app.generator.csv_spool import Refusal, Spool
from app.generator.csv_times import DATE, FOLD, GAP

#: Words of shops for orders that were called off, paid back or never paid.
_NO_SALE: Final = re.compile(
    r"cancel|refund|void|fail|declin|reject|fraud|storn|erstatt|fehlgeschl|abgebroch|annul|rembours|anulad|reembols",
    re.I,
)


def conclude(reader: RowReader, layout: CsvFormat, request: ImportRequest, spool: Spool, report: ImportReport) -> None:
    """Complete the report; raises CsvError where nothing must be sent."""
    for refusal in spool.refusals():
        report.count_refusal(refusal)
        if len(report.refused_examples) < EXAMPLES:
            report.refused_examples.append(refusal)
    unwritten = _write_refused(request.refused_file, spool, report)
    _note_what_was_found(reader, layout, report)
    problems = [
        *_refused_rows(reader, request, report),
        *_repeated_ids(layout.same_id, report),
        *_doubtful_numbers(reader),
        *unwritten,
    ]
    if not problems and not report.orders:
        left_out = f": --only or --without left out {report.left_out:,} rows" if report.left_out else ""
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
    repeated = report.repeated
    if same_id is not SameId.STOP or not repeated.rows:
        return []
    conflicting = f"{repeated.conflicting:,} with other content ({plain(repeated.conflicting_amount)})"
    identical = f"{repeated.identical:,} identical ({plain(repeated.identical_amount)})"
    return [
        f"{repeated.rows:,} rows have the id of an earlier row, {conflicting}, {identical}. An id is stored once, so "
        f"their money would be missing:",
        listed(repeated.examples),
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


def _note_what_was_found(reader: RowReader, layout: CsvFormat, report: ImportReport) -> None:
    unclear = reader.times.unclear
    if unclear[FOLD]:
        report.notes.append(
            f"times that occur twice in {layout.timezone}, because clocks went back: {unclear[FOLD]:,}; the first is "
            f"taken"
        )
    if unclear[GAP]:
        report.notes.append(
            f"times that do not exist in {layout.timezone}, because clocks went forward: {unclear[GAP]:,}; moved on "
            f"by the step of the clock"
        )
    if reader.without_id:
        report.notes.append(
            f"rows without a transaction_id: {reader.without_id:,}; their ids are made of their content"
        )
    difference = decimal_from_cents(report.cents) - report.exact
    if report.rounded:
        report.notes.append(
            f"amounts with more than two decimals: {report.rounded:,}; rounded to cents. The file's own sum is "
            f"{plain(report.exact)}, the difference {difference:f}"
        )
    if len(report.currencies) > 1:
        report.notes.append(
            "the file has several currencies: the ledger has none and adds the amounts up as they are; import one "
            "at a time with --only if that is not wanted"
        )
    for name, counts in reader.statuses.items():
        no_sales = [value for value in counts if _NO_SALE.search(value)]
        if no_sales:
            values = ", ".join(f"{value} {counts[value]:,}" for value in no_sales)
            report.notes.append(
                f"rows whose {name} says that they may be no sales are imported too ({values}): "
                f"--without '{name}={','.join(no_sales)}' leaves them out"
            )
    if reader.cancelled_rows:
        report.notes.append(
            f"cancelled orders are imported too (rows with a {reader.cancelled}: {reader.cancelled_rows:,}): "
            f"--only '{reader.cancelled}=' leaves them out"
        )


def _write_refused(path: Path | None, spool: Spool, report: ImportReport) -> list[str]:
    """Write lines and reasons; a file of an earlier import is taken away where nothing is refused.

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
