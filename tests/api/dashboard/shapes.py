"""Shops that a page has to bear: many and long names, a single country, nothing at all. All of them live now."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Final

from app.events.topics.transactions import TransactionRow
from tests.sink.chunk_slices import order

_DAYS: Final = 10
_LONG: Final = "Hand-crafted kitchen and garden tools of stainless steel, for professional use indoors & out <new> "
_CATEGORIES: Final = (_LONG * 2)[:100], (_LONG * 2)[1:101], *(f"Category {n:03}" for n in range(198))
_COUNTRIES: Final = ("South Georgia and the South Sandwich Islands ", "Germany", "USA", "日本", "مصر", None)

Names = Sequence[str | None]


def _orders(now: datetime, categories: Names, countries: Names, first: timedelta, per_day: int) -> list[TransactionRow]:
    """Orders of the time before now, oldest first; one in sixty raises an anomaly."""
    random = Random(7)
    count = int(per_day * first / timedelta(days=1))
    times = sorted(now - first * random.random() for _ in range(count))
    times += sorted(now - timedelta(hours=1) * random.random() for _ in range(150))
    return [
        order(
            n,
            user_id=f"u{n % 97}-{n}",
            timestamp=time,
            amount_cents=600_000 if n % 60 == 0 else random.randrange(500, 30_000),
            category=categories[int(random.random() ** 2 * len(categories))],
            country=countries[int(random.random() ** 2 * len(countries))],
        )
        for n, time in enumerate(sorted(times))
    ]


def many(now: datetime) -> list[TransactionRow]:
    """Two hundred categories and six countries, some of the longest names there may be."""
    return _orders(now, _CATEGORIES, _COUNTRIES, timedelta(days=_DAYS), 400)


def one(now: datetime) -> list[TransactionRow]:
    """One category in one country, open since half an hour."""
    return _orders(now, ["Books"], ["UK"], timedelta(minutes=30), 24_000)


def rush(now: datetime) -> list[TransactionRow]:
    """A shop whose running day has twenty times the orders of a whole one."""
    usual = _orders(now, ["Books", "Toys"], ["UK", "USA"], timedelta(days=_DAYS), 60)
    return usual + [row._replace(transaction_id=f"r{row.transaction_id}") for row in _rush(now)]


def _rush(now: datetime) -> list[TransactionRow]:
    return _orders(now, ["Books"], ["UK"], timedelta(minutes=1), 1_440_000)


def none(now: datetime) -> list[TransactionRow]:
    """Nothing."""
    return []


SHAPES: Final[Mapping[str, Callable[[datetime], list[TransactionRow]]]] = {
    "many": many,
    "one": one,
    "rush": rush,
    "none": none,
}
