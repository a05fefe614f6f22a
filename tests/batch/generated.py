"""A small shop's events with every awkwardness the marts must bear: ties, nulls, zeros, quotes, midnight."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import pyarrow as pa

from batch.sources import LAKE_TABLES, LakeTable

FIRST_DAY: Final = datetime(2025, 11, 24, tzinfo=UTC)
DAYS: Final = 40
#: Some name nothing, in every way there is, and some only look so.
_COUNTRIES: Final = (
    "USA",
    "UK",
    "United States",
    "Côte d'Ivoire",
    "Ünknown",
    "",
    "\t\u3000",
    " Unknown\u00a0",
    "unknown",
    None,
)
_CATEGORIES: Final = ("Books", 'Toys "R"', "unknowns", "  ", "UNKNOWN", None)
_AMOUNTS: Final = ("0.00", "0.01", "19.99", "19.99", "250.00", "9999999999.99")

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Shop:
    """Rows of the three tables, as dictionaries with the lake's columns."""

    transactions: list[Row]
    product_views: list[Row]
    cart_events: list[Row]

    def rows(self, source: LakeTable) -> list[Row]:
        """Those of one table."""
        rows: list[Row] = getattr(self, source.name)
        return rows

    def arrow(self, source: LakeTable, seed: int = 0) -> pa.Table:
        """The same as an Arrow table, its rows shuffled by `seed`."""
        rows = self.rows(source)
        random.Random(seed).shuffle(rows)
        return pa.Table.from_pylist(rows, source.arrow_schema)


def make_shop(seed: int = 1, visits: int = 900) -> Shop:
    """Visits over 40 days; some orders without session, product, country or category."""
    rng = random.Random(seed)
    shop = Shop([], [], [])
    for number in range(visits):
        _visit(rng, shop, number)
    for number in range(visits // 5):
        _order(rng, shop, f"lone-{number}", _time(rng), f"u{rng.randrange(40)}", None)
    for source in LAKE_TABLES.values():
        for offset, row in enumerate(shop.rows(source)):
            row["source_offset"] = offset
    return shop


def _time(rng: random.Random) -> datetime:
    """Some at midnight sharp, some in clusters within one user's session, some down to the microsecond."""
    day = FIRST_DAY + timedelta(days=rng.choice([*range(DAYS), DAYS - 1]))
    seconds = rng.choice([0, 86_399, 3_600, rng.randrange(86_400)])
    return day + timedelta(seconds=seconds, microseconds=rng.choice([0, 0, 999_999]))


def _visit(rng: random.Random, shop: Shop, number: int) -> None:
    user, session = f"u{int(rng.paretovariate(0.6)) % 300}", f"s{number}"
    now = _time(rng)
    steps = rng.choices(("view", "add", "remove", "checkout", "order"), k=rng.randrange(1, 9))
    for step, kind in enumerate(steps):
        now += timedelta(minutes=rng.choice([0, 1, 45]))
        identity = f"{session}-{step}"
        if kind == "order":
            _order(rng, shop, identity, now, user, session)
        elif kind == "view":
            shop.product_views.append(_event(rng, identity, now, user, session))
        else:
            event = _event(rng, identity, now, user, session)
            shop.cart_events.append({**event, "action": kind, "quantity": rng.randrange(1, 4)})


def _event(rng: random.Random, identity: str, now: datetime, user: str, session: str) -> Row:
    return {
        "event_id": identity,
        "user_id": user,
        "session_id": session,
        "timestamp": now,
        "product_id": f"p{rng.randrange(25)}",
        "category": rng.choice(_CATEGORIES),
        "country": rng.choice(_COUNTRIES),
    }


def _order(rng: random.Random, shop: Shop, identity: str, now: datetime, user: str, session: str | None) -> None:
    shop.transactions.append(
        {
            "transaction_id": identity,
            "user_id": user,
            "timestamp": now,
            "total_amount": Decimal(rng.choice(_AMOUNTS)),
            "category": rng.choice(_CATEGORIES),
            "country": rng.choice(_COUNTRIES),
            "payment_method": rng.choice(("card", None)),
            "quantity": rng.randrange(1, 20),
            "product_id": rng.choice((f"p{rng.randrange(25)}", None)),
            "session_id": session,
        }
    )


def by_key(rows: Sequence[Row], *keys: str) -> dict[tuple[Any, ...], Row]:
    """Rows by their key; two with one key are an error."""
    found = {tuple(row[key] for key in keys): dict(row) for row in rows}
    assert len(found) == len(rows), "a key occurs twice"
    return found
