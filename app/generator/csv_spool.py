"""Keeps the rows of a file on disk, so that they can be grouped by id and sorted by time in little memory.

A temporary SQLite database without a name: it is gone with the process, however that ends. It lies in the
folder that TMPDIR names, else in /var/tmp.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, Final, NamedTuple

import orjson

from app.domain.money import decimal_from_cents
from app.generator.csv_format import CsvError
from app.generator.csv_rows import ParsedRow
from app.generator.record import Counts, Record, timestamp_text
from app.topics import TRANSACTIONS

_TABLES: Final = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA temp_store = FILE;
PRAGMA cache_size = -16384;
CREATE TABLE rows (
    key BLOB, line INTEGER, given_id TEXT, at_us INTEGER, user_id TEXT, amount TEXT, currency TEXT, quantity INTEGER,
    texts BLOB, content BLOB
);
CREATE TABLE refused (line INTEGER, kind TEXT, reason TEXT, amount TEXT, rows INTEGER, key BLOB);
CREATE TABLE left_out (key BLOB);
CREATE TABLE orders (at_us INTEGER, line INTEGER, user_id TEXT, cents INTEGER, fields BLOB);
"""
_INDEXES: Final = """
CREATE INDEX refused_key ON refused (key) WHERE key IS NOT NULL;
CREATE INDEX left_out_key ON left_out (key);
"""
_BY_KEY: Final = """
SELECT rows.*,
    EXISTS (SELECT 1 FROM refused WHERE refused.key = rows.key),
    EXISTS (SELECT 1 FROM left_out WHERE left_out.key = rows.key)
FROM rows ORDER BY key, line
"""
_BATCH: Final = 2_000
_GIVEN: Final = b"i"
_DERIVED: Final = b"c"
_NEVER_US: Final = 1 << 62


class SpooledOrder(NamedTuple):
    """An order ready to be sent; `fields` is its JSON object without the timestamp."""

    at_us: int
    line: int
    user_id: str
    cents: int
    fields: bytes


class SpooledRow(NamedTuple):
    """A row; whether another row of its key is refused, and whether one was left out."""

    key: bytes
    row: ParsedRow
    broken: bool
    cut: bool


class Refusal(NamedTuple):
    """A row that is no order, or so many rows of one, and the amount if it could be read."""

    line: int
    kind: str
    reason: str
    amount: Decimal | None
    rows: int = 1


class Spool:
    """Write rows, read them by id, write orders, read them by time. Close it at the end."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.executescript(_TABLES)
        self._pending: dict[str, list[tuple[object, ...]]] = {"rows": [], "refused": [], "left_out": [], "orders": []}

    def close(self) -> None:
        """Free the disk space."""
        self._database.close()

    def add_row(self, row: ParsedRow) -> None:
        """Keep a row."""
        key = row_key(row.given_id) or _DERIVED + row.content
        texts: Any = orjson.dumps(row.texts)
        self._add("rows", (key, *row._replace(amount=_text(row.amount), texts=texts)))

    def refuse(self, refusal: Refusal, key: bytes | None = None) -> None:
        """Keep the reason why a row is no order, and the key of the order it would have been part of."""
        self._add("refused", (*refusal._replace(amount=_text(refusal.amount)), key))

    def leave_out(self, key: bytes) -> None:
        """Keep that a filter took a row of the key out."""
        if key:
            self._add("left_out", (key,))

    def add_order(self, order: SpooledOrder) -> None:
        """Keep an order."""
        self._add("orders", order)

    def latest_us(self) -> int | None:
        """Time of the last row."""
        ((latest,),) = self._found("SELECT max(at_us) FROM rows")
        return None if latest is None else int(latest)

    def rows_by_key(self) -> Iterator[SpooledRow]:
        """Yield the rows of each key together, in the order of the file."""
        self._flush()
        with _disk():
            self._database.executescript(_INDEXES)
        for key, *values, broken, cut in self._found(_BY_KEY):
            row = ParsedRow(*values)
            texts: Any = row.texts
            row = row._replace(amount=_decimal(row.amount), texts=orjson.loads(texts))
            yield SpooledRow(key, row, bool(broken), bool(cut))

    def orders_by_time(self) -> Iterator[SpooledOrder]:
        """Yield the orders by time; those of one time as they stand in the file."""
        yield from map(SpooledOrder._make, self._found("SELECT * FROM orders ORDER BY at_us, line"))

    def refusals(self) -> Iterator[Refusal]:
        """Yield what was refused in the order of the file."""
        for found in self._found("SELECT line, kind, reason, amount, rows FROM refused ORDER BY line"):
            refusal = Refusal(*found)
            yield refusal._replace(amount=_decimal(refusal.amount))

    def _add(self, table: str, row: tuple[object, ...]) -> None:
        self._pending[table].append(row)
        if len(self._pending[table]) >= _BATCH:
            self._flush()

    def _flush(self) -> None:
        with _disk():
            self._database.execute("BEGIN")
            for table, rows in self._pending.items():
                if rows:
                    marks = ", ".join("?" * len(rows[0]))
                    self._database.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)
                    rows.clear()
            self._database.execute("COMMIT")

    def _found(self, query: str) -> Iterator[Any]:
        self._flush()
        with _disk():
            yield from self._database.execute(query)


def _text(amount: Decimal | None) -> Any:
    return None if amount is None else str(amount)


def _decimal(text: Any) -> Decimal | None:
    return None if text is None else Decimal(text)


def row_key(given: str) -> bytes:
    """The key of rows with an id of their own; empty where there is none."""
    return _GIVEN + given.encode() if given else b""


@contextmanager
def _disk() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        raise CsvError(
            f"the rows cannot be kept on disk while they are sorted: {error}; free some space, or name another "
            f"folder with TMPDIR"
        ) from error


class CsvSource:
    """Plays orders by their time; their timestamps stay as they are.

    What has become older than the retention by the time it is its turn is not sent: the workers would refuse it.
    """

    def __init__(self, spool: Spool, retention_us: int | None = None) -> None:
        self.counts = Counts()
        self.expired = 0
        self._spool = spool
        self._orders = spool.orders_by_time()
        self._retention_us = retention_us
        self._next = next(self._orders, None)
        self._cents = 0

    @property
    def next_us(self) -> int:
        """Time of the next order."""
        return self._next.at_us if self._next is not None else _NEVER_US

    @property
    def sent(self) -> int:
        """Orders handed out."""
        return self.counts.topics[TRANSACTIONS].produced

    @property
    def total(self) -> Decimal:
        """Sum of the orders handed out."""
        return decimal_from_cents(self._cents)

    def records(self, until_us: int, offset_us: int, record_us: int | None) -> Iterator[Record]:
        """Yield the orders before a time; they are history, so `offset_us` does not move them."""
        while (order := self._next) is not None and order.at_us < until_us:
            self._next = next(self._orders, None)
            if self._has_expired(order, record_us):
                self.expired += 1
                continue
            self.counts.topics[TRANSACTIONS].produced += 1
            self._cents += order.cents
            stamp = f',"timestamp":"{timestamp_text(order.at_us)}"}}'
            value = order.fields[:-1] + stamp.encode()
            at_us = order.at_us if record_us is None else record_us
            yield Record(TRANSACTIONS, order.user_id.encode(), value, at_us)

    def close(self) -> None:
        """Free the disk space."""
        self._spool.close()

    def _has_expired(self, order: SpooledOrder, record_us: int | None) -> bool:
        if self._retention_us is None or record_us is None:
            return False
        return order.at_us < record_us // 1_000 * 1_000 - self._retention_us
