"""From the rows of a file to orders: the rows of one id together, each order judged as a worker will judge it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Any, Final

import orjson

from app.events.decoding import transaction_decoder
from app.generator.csv_amounts import EXACT, refuse_out_of_range
from app.generator.csv_format import RowError, SameId
from app.generator.csv_import import ImportRequest
from app.generator.csv_report import EXAMPLES, ImportReport
from app.generator.csv_rows import EMPTY, ParsedRow
from app.generator.csv_spool import Refusal, Spool, SpooledOrder, SpooledRow, given_id
from app.generator.record import timestamp_text

TIME: Final = "implausible time"
CONFLICT: Final = "rows of one id that contradict each other"
_DAY_US: Final = 86_400_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_LINES_SHOWN: Final = 6


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
        self._decoder = transaction_decoder(request.limits.time)
        self._shift_us = 0
        self._guests = 0
        self._vague = 0

    def run(self) -> None:
        """Go through the rows of every id."""
        latest = self._spool.latest_us()
        if self._request.shift_end_us is not None and latest is not None:
            self._shift_us = (self._request.shift_end_us - latest) // _DAY_US * _DAY_US
        for key, rows in groupby(self._spool.rows_by_key(), key=lambda found: found.key):
            if not given_id(key):
                self._without_id(found.row for found in rows)
            elif self._same_id is SameId.ADD:
                self._added_up(given_id(key), rows)
            else:
                self._single(given_id(key), (found.row for found in rows))
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
                self._report.repeated.count(row.amount, identical=identical)
        examples = self._report.repeated.examples
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
            self._report.leave_out(event.rows, None)
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
                f"{_readable(at_us)} is older than the {retention_us // _DAY_US} days orders are kept "
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
