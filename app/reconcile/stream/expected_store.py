"""The expected content of PostgreSQL: accepted orders and what they raised, in a temporary SQLite file.

Sums are integer cents of 64 bits: SQLite adds them exactly or raises an overflow.
"""

import re
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple, Self

from app.reconcile.stream.json_values import SECOND_US

#: White space, or the word in any case between white space.
_UNNAMED: Final = re.compile(r"\s*(?ai:unknown)?\s*")
_DAY_US: Final = 86_400 * SECOND_US
_TABLES: Final = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA temp_store = FILE;
CREATE TABLE accepted (
    partition INTEGER, time_us INTEGER, pane_us INTEGER, minute_us INTEGER,
    hour_us INTEGER, day_us INTEGER, week_us INTEGER, category TEXT, country TEXT, cents INTEGER
);
CREATE TABLE anomalies (
    transaction_id TEXT, type TEXT, user_id TEXT, amount TEXT, score TEXT, description TEXT,
    time_us INTEGER, threshold TEXT, version INTEGER, severity TEXT, suppressed INTEGER, partition INTEGER,
    offset INTEGER, before_the_desk INTEGER, PRIMARY KEY (transaction_id, type)
) WITHOUT ROWID;
CREATE TABLE shadows (
    transaction_id TEXT, type TEXT, version INTEGER, user_id TEXT, amount TEXT, score TEXT, measure TEXT,
    threshold TEXT, description TEXT, time_us INTEGER, partition INTEGER, offset INTEGER,
    PRIMARY KEY (transaction_id, type)
) WITHOUT ROWID;
CREATE TABLE verdicts (
    transaction_id TEXT PRIMARY KEY, user_id TEXT, amount TEXT, time_us INTEGER, edition INTEGER, score INTEGER,
    action TEXT, severity TEXT, reasons TEXT, partition INTEGER, offset INTEGER, opens_case INTEGER,
    before_the_desk INTEGER
) WITHOUT ROWID;
CREATE TABLE copies (stream TEXT, key TEXT, content BLOB);
"""


class Anomaly(NamedTuple):
    """An expected row of `transaction_anomalies`; decimals as plain text.

    One from `before_the_desk` may be stored without what came with it: all from `rule_version` on.
    """

    transaction_id: str
    anomaly_type: str
    user_id: str
    amount: str
    score: str
    description: str
    time_us: int
    threshold: str
    rule_version: int
    severity: str
    suppressed: bool
    partition: int
    offset: int
    before_the_desk: bool


class Shadow(NamedTuple):
    """An expected row of `shadow_anomalies`; decimals as plain text."""

    transaction_id: str
    rule_id: str
    rule_version: int
    user_id: str
    amount: str
    score: str
    measure: str
    threshold: str
    description: str
    time_us: int
    partition: int
    offset: int


class Verdict(NamedTuple):
    """An expected row of `verdicts`, and whether it opens a case; reasons as JSON.

    An order from `before_the_desk` has one only if its row was lost and restored since.
    """

    transaction_id: str
    user_id: str
    amount: str
    time_us: int
    edition: int
    risk_score: int
    action: str
    severity: str
    reasons: str
    partition: int
    offset: int
    opens_case: bool
    before_the_desk: bool


class SalesLine(NamedTuple):
    """Expected sums of a time slot; `partition` is None for the sum over all partitions."""

    start_us: int
    partition: int | None
    category: str | None
    country: str
    orders: int
    cents: int


class ExpectedStore:
    """First receives all orders, then returns sorted sums; used as a context manager.

    The file is in a new folder below `parent`; SQLite sorts there or in its own temporary folder.
    """

    def __init__(self, window_seconds: int, step_seconds: int, parent: Path) -> None:
        self._window_us = window_seconds * SECOND_US
        self._step_us = step_seconds * SECOND_US
        self._folder = TemporaryDirectory(prefix="reconcile-", dir=parent)
        self._database = sqlite3.connect(Path(self._folder.name) / "expected.sqlite")
        self._database.executescript(_TABLES)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()
        self._folder.cleanup()

    def accept(self, orders: list[tuple[int, int, str | None, str | None, int]]) -> None:
        """Adds accepted orders: (partition, time_us, category, country, cents).

        Those without a category or country, or with one named `unknown`, count under `unknown`.
        """
        self._database.executemany(
            "INSERT INTO accepted VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                (
                    partition,
                    time_us,
                    _floor(time_us, self._step_us),
                    _floor(time_us, 60 * SECOND_US),
                    _floor(time_us, 3_600 * SECOND_US),
                    _floor(time_us, _DAY_US),
                    _monday(time_us),
                    _label(category),
                    _label(country),
                    cents,
                )
                for partition, time_us, category, country, cents in orders
            ),
        )

    def raise_anomalies(
        self, anomalies: Sequence[Anomaly], shadows: Sequence[Shadow] = (), verdicts: Sequence[Verdict] = ()
    ) -> None:
        """Adds expected anomalies, shadows and verdicts; of an order that is accepted again, the first ones stay."""
        for table, rows in (("anomalies", anomalies), ("shadows", shadows), ("verdicts", verdicts)):
            if rows:
                places = ", ".join("?" * len(rows[0]))
                self._database.executemany(f"INSERT OR IGNORE INTO {table} VALUES ({places})", rows)

    def slots(self, kind: str, *, by_category: bool) -> Iterator[SalesLine]:
        """Yields sums per (slot, partition, category, country), in this order; kind is pane, minute, hour, day or week.

        Without `by_category` the sums are over all categories, and the category is None.
        """
        category = "category" if by_category else "NULL"
        query = (
            f"SELECT {kind}_us, partition, {category}, country, count(*), sum(cents) FROM accepted "
            "GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4"
        )
        return map(SalesLine._make, self._database.execute(query))

    def windows(self) -> Iterator[SalesLine]:
        """Yields sums per (window, category, country) over all windows [start, end) that contain an order."""
        query = (
            "WITH RECURSIVE shift (us) AS ("
            " SELECT 0 UNION ALL SELECT us + :step FROM shift WHERE us + :step < :window) "
            "SELECT pane_us - us AS start_us, NULL, category, country, count(*), sum(cents) "
            "FROM accepted CROSS JOIN shift "
            "WHERE start_us <= time_us AND time_us < start_us + :window "
            "GROUP BY start_us, category, country ORDER BY start_us, category, country"
        )
        geometry = {"step": self._step_us, "window": self._window_us}
        return map(SalesLine._make, self._database.execute(query, geometry))

    def anomalies(self) -> Iterator[Anomaly]:
        """Yields the expected anomalies, sorted by transaction and type."""
        query = "SELECT * FROM anomalies ORDER BY transaction_id, type"
        return map(Anomaly._make, self._database.execute(query))

    def shadows(self) -> Iterator[Shadow]:
        """Yields the expected shadows, sorted by transaction and rule."""
        return map(Shadow._make, self._database.execute("SELECT * FROM shadows ORDER BY transaction_id, type"))

    def verdicts(self) -> Iterator[Verdict]:
        """Yields the expected verdicts, sorted by transaction."""
        return map(Verdict._make, self._database.execute("SELECT * FROM verdicts ORDER BY transaction_id"))

    def revenue(self, column: str, after_us: int, until_us: int) -> dict[str, int]:
        """Returns cents per category or country of the orders with after < time <= until."""
        query = f"SELECT {column}, sum(cents) FROM accepted WHERE time_us > ? AND time_us <= ? GROUP BY 1"
        return dict(self._database.execute(query, (after_us, until_us)))

    def add_copies(self, copies: list[tuple[str, str, bytes]]) -> None:
        """Adds the records of an output topic: (stream, key, content)."""
        self._database.executemany("INSERT INTO copies VALUES (?, ?, ?)", copies)

    def index_copies(self) -> None:
        """Creates the index for `copies`; called once, after the last `add_copies`."""
        self._database.execute("CREATE INDEX copies_key ON copies (stream, key)")

    def copies(self, stream: str, key: str) -> list[Any]:
        """Returns the contents of all copies with that key."""
        query = "SELECT content FROM copies WHERE stream = ? AND key = ?"
        return [row[0] for row in self._database.execute(query, (stream, key))]


def _label(name: str | None) -> str:
    return "unknown" if name is None or _UNNAMED.fullmatch(name) else name


def _floor(time_us: int, length_us: int) -> int:
    return time_us - time_us % length_us


def _monday(time_us: int) -> int:
    """Returns the start of the week, Monday 00:00; the epoch was a Thursday."""
    return _floor(time_us + 3 * _DAY_US, 7 * _DAY_US) - 3 * _DAY_US
