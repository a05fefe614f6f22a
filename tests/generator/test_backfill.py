"""Histories: their length, their order, their days and their customers."""

from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta

import orjson
import pytest

from app.generator.jobs import JobError, backfill_job
from app.generator.record import Record
from app.settings import Settings
from tests.generator.shop import NO_FAULTS

END = datetime(2025, 7, 1, 12, tzinfo=UTC)
END_US = int(END.timestamp()) * 1_000_000
DAY_US = 86_400_000_000
SHOP = {
    "GLOBALMART_GENERATOR_USERS": "3000",
    "GLOBALMART_GENERATOR_PRODUCTS": "1000",
    "GLOBALMART_GENERATOR_ORDERS_PER_DAY": "300",
    "GLOBALMART_GENERATOR_SEED": "5",
    **{f"GLOBALMART_GENERATOR_{name.upper()}": str(value) for name, value in NO_FAULTS.items()},
}


@pytest.fixture(scope="module")
def history() -> list[Record]:
    job = backfill_job(Settings(SHOP), timedelta(days=90), END_US, record_now=False)
    return list(job.source.records(job.end_us, 0, None))


@pytest.fixture(scope="module")
def purchases(history: list[Record]) -> dict[str, list[str]]:
    """Times of each customer's orders."""
    times: dict[str, list[str]] = defaultdict(list)
    for record in history:
        if record.topic == "transactions":
            order = orjson.loads(record.value or b"")
            times[order["user_id"]].append(order["timestamp"])
    return times


def test_history_covers_its_length_in_event_time_order(history: list[Record]) -> None:
    times = [orjson.loads(record.value or b"")["timestamp"] for record in history]
    assert times == sorted(times)
    assert "2025-04-02T12" <= times[0] < "2025-04-02T13"
    assert "2025-07-01T11" <= times[-1] < "2025-07-01T12"


def test_kafka_times_are_event_times(history: list[Record]) -> None:
    for record in history[::1000]:
        moment = datetime.fromisoformat(orjson.loads(record.value or b"")["timestamp"])
        assert moment == datetime.fromtimestamp(0, UTC) + timedelta(microseconds=record.at_us)


def test_volume_is_as_set_and_the_others_are_in_proportion(history: list[Record]) -> None:
    counts = Counter(record.topic for record in history)
    assert counts["transactions"] == pytest.approx(27_000, rel=0.02)
    assert counts["product_views"] == pytest.approx(40_500, rel=0.03)
    assert counts["cart_events"] == pytest.approx(13_500, rel=0.04)
    assert counts["system_metrics"] == pytest.approx(1_350, rel=0.1)


def test_nights_are_quiet_and_evenings_busy(history: list[Record]) -> None:
    hours = Counter(record.at_us % DAY_US // 3_600_000_000 for record in history)
    assert hours[20] > 3 * hours[4]


def rank_scores(values: dict[str, object]) -> dict[str, int]:
    """score = floor((k - 1) * 5 / N) + 1 for the ascending competition rank k."""
    ordered = sorted(values.values(), key=repr)
    first = {value: ordered.index(value) for value in set(ordered)}
    return {user: first[value] * 5 // len(ordered) + 1 for user, value in values.items()}


def test_every_segment_of_customers_is_populated(purchases: dict[str, list[str]]) -> None:
    recency = rank_scores({user: times[-1] for user, times in purchases.items()})
    frequency = rank_scores({user: f"{len(times):06d}" for user, times in purchases.items()})
    segments = Counter((recency[user], frequency[user]) for user in purchases)
    lost, cannot_lose = segments[1, 1], segments[1, 5] + segments[2, 5]
    new, champions = segments[5, 1], segments[5, 4] + segments[5, 5]
    promising, attention = segments[4, 1], segments[3, 3]
    at_risk = sum(segments[r, f] for r in (1, 2) for f in (3, 4))
    sleepy = segments[3, 1] + segments[3, 2]
    loyal = sum(segments[r, f] for r in (3, 4) for f in (4, 5))
    potential = sum(segments[r, f] for r in (4, 5) for f in (2, 3))
    hibernating = segments[1, 2] + segments[2, 1] + segments[2, 2]
    found = (lost, cannot_lose, new, champions, promising, attention, at_risk, sleepy, loyal, potential, hibernating)
    assert min(found) >= 10, segments


def test_some_customers_left_and_some_are_new(purchases: dict[str, list[str]]) -> None:
    last = [times[-1] for times in purchases.values() if len(times) >= 5]
    first = [times[0] for times in purchases.values() if len(times) >= 5]
    assert sum(time < "2025-05-20" for time in last) > 20
    assert sum(time > "2025-06-05" for time in first) > 20


def test_same_seed_gives_the_same_history(history: list[Record]) -> None:
    job = backfill_job(Settings(SHOP), timedelta(days=90), END_US, record_now=False)
    again = job.source.records(job.start_us + 10 * DAY_US, 0, None)
    assert all(record == expected for record, expected in zip(again, history, strict=False))


def test_a_history_without_orders_cannot_be_sized() -> None:
    without = Settings({**SHOP, "GLOBALMART_GENERATOR_TRANSACTION_RATE": "0"})
    with pytest.raises(JobError, match="TRANSACTION_RATE"):
        backfill_job(without, timedelta(days=1), END_US, record_now=False)
