"""A period is partial until it is over: at the end of `as_of`, and when PostgreSQL was read."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from batch.sources import LAKE_TABLES
from tests.batch.generated import Row
from tests.batch.nights import Nights


def _order(name: str, moment: datetime) -> Row:
    return {
        "transaction_id": name,
        "user_id": name,
        "timestamp": moment,
        "source_offset": 0,
        "total_amount": Decimal("5.00"),
        "category": "Books",
        "country": "USA",
        "quantity": 1,
        "payment_method": None,
        "product_id": None,
        "session_id": None,
    }


def _is_over(kind: str, start: date, before: date) -> bool:
    lengths = {"daily": timedelta(days=1), "weekly": timedelta(days=7)}
    following = (start + timedelta(days=31)).replace(day=1) if kind == "monthly" else start + lengths[kind]
    return following <= before


async def test_what_runs_today_is_partial_as_of_today_and_later(nights: Nights) -> None:
    now = datetime.now(UTC)
    moments = [now - timedelta(days=days) for days in (0, 1, 7, 14, 31, 62)]
    rows = [_order(f"t{number}", moment) for number, moment in enumerate(moments)]
    await nights.insert(LAKE_TABLES["transactions"], rows)
    for as_of in (now.date(), now.date() + timedelta(days=8)):
        nights.run(as_of, job="trends")
        today = nights.log[-1]["snapshot_taken"].date()
        found = nights.documents("sales_trends")
        assert {row["period_type"] for row in found if row["partial"]} == {"daily", "weekly", "monthly"}
        for row in found:
            start = row["period_start"].date()
            assert row["partial"] == (not _is_over(row["period_type"], start, today)), row
    assert {run["status"] for run in nights.log} == {"published"}


async def test_a_snapshot_of_the_running_day_has_an_id_of_its_own(nights: Nights) -> None:
    yesterday = datetime.now(UTC) - timedelta(days=1)
    await nights.insert(LAKE_TABLES["transactions"], [_order("t", yesterday)])
    over = nights.run(yesterday.date(), job="trends")
    again = nights.run(yesterday.date(), job="trends")
    assert over.snapshot == again.snapshot
    today = nights.log[-1]["snapshot_taken"].date()
    running = nights.run(today, job="trends")
    next_day = nights.run(today + timedelta(days=1), job="trends")
    assert len({over.snapshot, running.snapshot, next_day.snapshot}) == 3
