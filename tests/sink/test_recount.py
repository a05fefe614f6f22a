"""Every figure the sink keeps, against a naive recount of a dirty random stream."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import astuple
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from random import Random
from typing import NamedTuple

import asyncpg
import pytest

from app.events.topics.transactions import TransactionRow
from app.sink.ledger import Counts
from app.sink.tables import STORED_TOPICS
from tests.sink.chunk_slices import NOON, Sink, letter, order, work_of
from tests.support.databases import Database
from tests.support.unnamed import UNNAMED

Key = tuple[datetime, str | None, str | None]


class Total(NamedTuple):
    """Exact sum and number of orders."""

    amount: Decimal
    number: int


def _stream(random: Random, size: int) -> list[tuple[int, TransactionRow | None]]:
    """Records of three partitions in the order they are committed; None is a refused record."""
    offsets = [0, 0, 0]
    records: list[tuple[int, TransactionRow | None]] = []
    for _ in range(size):
        partition = random.randrange(3)
        row = order(
            offsets[partition],
            transaction_id=f"t{random.randrange(size)}",
            user_id=random.choice("abc"),
            timestamp=NOON + timedelta(microseconds=random.randrange(-(10**11), 10**8)),
            amount_cents=random.choice([0, 1, 999_999_999_999, random.randrange(10**6)]),
            category=random.choice(["Books", "Toys", *UNNAMED]),
            country=random.choice(["UK", "USA", *UNNAMED]),
        )
        records.append((partition, row if random.random() > 0.05 else None))
        offsets[partition] += 1
    return records


def _chunks(
    random: Random, records: list[tuple[int, TransactionRow | None]], ends: float
) -> Iterable[tuple[int, list[tuple[int, TransactionRow | None]]]]:
    """Runs of one partition's records with their offsets, at random sizes."""
    waiting: dict[int, list[tuple[int, TransactionRow | None]]] = defaultdict(list)
    seen: dict[int, int] = defaultdict(int)
    for partition, row in records:
        waiting[partition].append((seen[partition], row))
        seen[partition] += 1
        if random.random() < ends:
            yield partition, waiting.pop(partition)
    yield from waiting.items()


class Recount:
    """Follows the chunks one record at a time."""

    def __init__(self) -> None:
        self.stored: dict[str, tuple[int, TransactionRow]] = {}
        self.counts: dict[int, Counts] = defaultdict(Counts)
        self.watermarks: dict[int, datetime] = {}

    def take(self, partition: int, row: TransactionRow | None) -> None:
        """What becomes of one record."""
        counts = self.counts[partition]
        if row is None:
            counts.dead_lettered += 1
        elif row.transaction_id in self.stored:
            counts.duplicates += 1
            counts.conflicting += self.stored[row.transaction_id][1][:-1] != row[:-1]
        else:
            counts.stored += 1
            self.stored[row.transaction_id] = partition, row
            watermark = self.watermarks.get(partition, row.timestamp)
            counts.late += watermark - row.timestamp > timedelta(minutes=10)
            self.watermarks[partition] = max(watermark, row.timestamp)

    def totals(self, starts: str, *, by_category: bool = True) -> dict[Key, Total]:
        """Sums by start of a span, category and country."""
        totals: dict[Key, Total] = defaultdict(lambda: Total(Decimal(0), 0))
        for _, row in self.stored.values():
            for start in STARTS[starts](row.timestamp):
                key = start, _label(row.category) if by_category else None, _label(row.country)
                amount, number = totals[key]
                totals[key] = Total(amount + Decimal(row.amount_cents) / 100, number + 1)
        return dict(totals)


def _label(name: str | None) -> str:
    return "unknown" if name in UNNAMED else str(name)


def _pane(at: datetime) -> datetime:
    return at.replace(second=at.second // 30 * 30, microsecond=0)


def _day(at: datetime) -> datetime:
    return at.replace(hour=0, minute=0, second=0, microsecond=0)


STARTS: dict[str, Callable[[datetime], list[datetime]]] = {
    "pane_start": lambda at: [_pane(at)],
    "window_start": lambda at: [_pane(at), _pane(at) - timedelta(seconds=30)],
    "minute": lambda at: [at.replace(second=0, microsecond=0)],
    "hour": lambda at: [at.replace(minute=0, second=0, microsecond=0)],
    "day": lambda at: [_day(at)],
    "week": lambda at: [_day(at) - timedelta(days=at.weekday())],
}


async def _summed(database: Database, relation: str, start: str, category: str = "category") -> dict[Key, Total]:
    rows = await database.fetch(
        f"""SELECT {start}, {category} AS category, country, sum(total_amount) AS amount,
            sum(transaction_count)::BIGINT AS number FROM {relation} GROUP BY 1, 2, 3"""
    )
    return {tuple(row)[:3]: Total(row["amount"], row["number"]) for row in rows}


@pytest.mark.parametrize(("seed", "ends"), [(1, 0.05), (2, 0.002)], ids=["arrays", "stage"])
async def test_a_dirty_stream_is_kept_to_the_cent(database: Database, seed: int, ends: float) -> None:
    random = Random(seed)
    recount = Recount()
    async with database.worker(STORED_TOPICS["transactions"]) as connection:
        sink = Sink(connection)
        for partition, chunk in _chunks(random, _stream(random, 1200), ends):
            for _, row in chunk:
                recount.take(partition, row)
            rows = [row for _, row in chunk if row is not None]
            letters = [letter(offset) for offset, row in chunk if row is None]
            await sink.commit(work_of(rows, partition=partition, letters=letters))
    await _compare_rows(database, recount)
    await _compare_ledger(database, recount)
    assert await _summed(database, "sales_panes", "pane_start") == recount.totals("pane_start")
    assert await _summed(database, "sales_hourly", "hour") == recount.totals("hour")
    assert await _summed(database, "sales_daily", "day") == recount.totals("day")
    assert await _summed(database, "sales_weekly", "week") == recount.totals("week")
    for table, start in (("minutely", "minute"), ("hourly", "hour"), ("daily", "day")):
        stored = await _summed(database, f"revenue_{table}", start, category="NULL::TEXT")
        assert stored == recount.totals(start, by_category=False)
    await _compare_windows(database, recount)


async def _compare_rows(database: Database, recount: Recount) -> None:
    rows = await database.fetch("SELECT * FROM transactions")
    stored = {
        row["transaction_id"]: (row["source_partition"], row["source_offset"], row["total_amount"]) for row in rows
    }
    assert stored == {
        name: (partition, row.source_offset, Decimal(row.amount_cents) / 100)
        for name, (partition, row) in recount.stored.items()
    }


async def _compare_ledger(database: Database, recount: Recount) -> None:
    rows = await database.fetch("SELECT * FROM stream_progress ORDER BY partition")
    assert len(rows) == len(recount.counts) == 3
    names = list(Counts.__dataclass_fields__)
    for row in rows:
        counts = recount.counts[row["partition"]]
        assert tuple(row[name] for name in names) == astuple(counts)
        assert row["consumed"] == row["next_offset"] == counts.consumed
        assert row["watermark"] == recount.watermarks[row["partition"]]


async def _compare_windows(database: Database, recount: Recount) -> None:
    """The view has one row per window, category and country, its average rounded half up."""
    rows: list[asyncpg.Record] = await database.fetch("SELECT * FROM sales_metrics")
    windows = recount.totals("window_start")
    assert len(rows) == len(windows) == len({row["id"] for row in rows})
    for row in rows:
        total = windows[row["window_start"], row["category"], row["country"]]
        average = (total.amount / total.number).quantize(Decimal("0.01"), ROUND_HALF_UP)
        assert (row["total_amount"], row["transaction_count"]) == total
        assert row["avg_transaction_value"] == average
        assert row["window_end"] - row["window_start"] == timedelta(seconds=60)
