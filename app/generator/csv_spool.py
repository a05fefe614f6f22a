"""Keeps the rows of a file on disk, so that they can be grouped by id and sorted by time in little memory.

A temporary SQLite database without a name: it is gone with the process, however that ends. It lies in the
folder that TMPDIR names, else in /var/tmp.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Final, NamedTuple, Self

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
    key BLOB, line INTEGER, at_us INTEGER, user_id TEXT, amount TEXT, currency TEXT, quantity INTEGER, texts BLOB,
    content BLOB
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
SELECT key, line, at_us, user_id, amount, currency, quantity, texts, content,
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
        self._rows: list[tuple[object, ...]] = []
        self._orders: list[SpooledOrder] = []
        self._left_out: list[tuple[bytes]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the disk back."""
        self._database.close()

    def add_row(self, row: ParsedRow) -> None:
        """Keep a row."""
        self._rows.append(
            (
                row_key(row.given_id) or _DERIVED + row.content,
                row.line,
                row.at_us,
                row.user_id,
                None if row.amount is None else str(row.amount),
                row.currency,
                row.quantity,
                orjson.dumps(row.texts),
                row.content,
            )
        )
        if len(self._rows) >= _BATCH:
            self._flush_rows()

    def refuse(self, refusal: Refusal, key: bytes | None = None) -> None:
        """Keep the reason why a row is no order, and the key of the order it would have been part of."""
        amount = None if refusal.amount is None else str(refusal.amount)
        with _disk():
            self._database.execute(
                "INSERT INTO refused VALUES (?, ?, ?, ?, ?, ?)",
                (refusal.line, refusal.kind, refusal.reason, amount, refusal.rows, key),
            )

    def leave_out(self, key: bytes) -> None:
        """Keep that a filter took a row of the key out."""
        if key:
            self._left_out.append((key,))
            if len(self._left_out) >= _BATCH:
                self._flush_left_out()

    def latest_us(self) -> int | None:
        """Time of the last row."""
        self._flush_rows()
        (latest,) = self._database.execute("SELECT max(at_us) FROM rows").fetchone()
        return None if latest is None else int(latest)

    def rows_by_key(self) -> Iterator[SpooledRow]:
        """Yield the rows of each key together, in the order of the file."""
        self._flush_rows()
        self._flush_left_out()
        with _disk():
            self._database.executescript(_INDEXES)
            for found in self._database.execute(_BY_KEY):
                key, line, at_us, user_id, amount, currency, quantity, texts, content, *marks = found
                parsed = ParsedRow(
                    line,
                    given_id(key),
                    at_us,
                    user_id,
                    None if amount is None else Decimal(amount),
                    currency,
                    quantity,
                    orjson.loads(texts),
                    content,
                )
                yield SpooledRow(key, parsed, bool(marks[0]), bool(marks[1]))

    def add_order(self, order: SpooledOrder) -> None:
        """Keep an order."""
        self._orders.append(order)
        if len(self._orders) >= _BATCH:
            self._flush_orders()

    def orders_by_time(self) -> Iterator[SpooledOrder]:
        """Yield the orders by time; those of one time as they stand in the file."""
        self._flush_orders()
        with _disk():
            for found in self._database.execute("SELECT * FROM orders ORDER BY at_us, line"):
                yield SpooledOrder(*found)

    def refusals(self) -> Iterator[Refusal]:
        """Yield what was refused in the order of the file."""
        query = "SELECT line, kind, reason, amount, rows FROM refused ORDER BY line"
        for line, kind, reason, amount, rows in self._database.execute(query):
            yield Refusal(line, kind, reason, None if amount is None else Decimal(amount), rows)

    def _flush_rows(self) -> None:
        self._insert("INSERT INTO rows VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", self._rows)
        self._rows.clear()

    def _flush_left_out(self) -> None:
        self._insert("INSERT INTO left_out VALUES (?)", self._left_out)
        self._left_out.clear()

    def _flush_orders(self) -> None:
        self._insert("INSERT INTO orders VALUES (?, ?, ?, ?, ?)", self._orders)
        self._orders.clear()

    def _insert(self, statement: str, rows: Iterable[tuple[object, ...]]) -> None:
        with _disk():
            self._database.execute("BEGIN")
            self._database.executemany(statement, rows)
            self._database.execute("COMMIT")


def row_key(given: str) -> bytes:
    """The key of rows with an id of their own; empty where there is none."""
    return _GIVEN + given.encode() if given else b""


def given_id(key: bytes) -> str:
    """The id of a key, or an empty text where the key is made of content."""
    return key[1:].decode() if key.startswith(_GIVEN) else ""


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
        """Give the disk back."""
        self._spool.close()

    def _has_expired(self, order: SpooledOrder, record_us: int | None) -> bool:
        if self._retention_us is None or record_us is None:
            return False
        return order.at_us < record_us // 1_000 * 1_000 - self._retention_us
