"""The stream of records: repeatable, in order, at the set rates."""

from collections import Counter

import pytest

from app.generator.mix import Rates
from app.topics import SOURCE_TOPICS
from tests.generator.shop import GUIDE_RATES, NO_FAULTS, START_US, decode, live, play, settings


def test_same_seed_gives_the_same_bytes_in_the_same_order() -> None:
    config = settings()
    assert play(live(config), 20) == play(live(config), 20)


def test_another_run_id_gives_other_records() -> None:
    config = settings()
    first, second = play(live(config, run_id="a"), 5), play(live(config, run_id="b"), 5)
    assert not {record.value for record in first if record.value} & {
        record.value for record in second if record.value and b"timestamp" in record.value
    }


def test_how_it_is_asked_for_does_not_change_what_comes() -> None:
    config = settings()
    traffic, pieces = live(config), []
    for tick in range(1, 401):
        pieces += list(traffic.records(START_US + tick * 50_000, 0, None))
    assert pieces == play(live(config), 20)


def test_records_come_in_the_order_they_are_sent() -> None:
    times = [record.at_us for record in play(live(settings()), 30)]
    assert times == sorted(times)
    assert times[0] >= START_US
    assert times[-1] < START_US + 30_000_000


@pytest.mark.parametrize(
    "rates",
    [
        GUIDE_RATES,
        Rates(20.0, 400.0, 60.0, 5.0),
        Rates(100.0, 30.0, 400.0, 0.0),
        Rates(0.0, 100.0, 50.0, 10.0),
        Rates(100.0, 0.0, 0.0, 0.0),
        Rates(0.0, 0.0, 0.0, 50.0),
    ],
    ids=str,
)
def test_every_topic_meets_its_rate(rates: Rates) -> None:
    seconds = 100
    counts = Counter(record.topic for record in play(live(settings(**NO_FAULTS), rates), seconds))
    for topic, rate in zip(SOURCE_TOPICS, rates, strict=True):
        # Events come in sessions of several: allow for clumps of three, four deviations.
        slack = 4 * (3 * rate * seconds) ** 0.5
        assert abs(counts[topic] - rate * seconds) <= slack, topic


def test_rates_hold_from_the_first_seconds_on() -> None:
    """Transactions come at the end of sessions; without sessions under way there would be none."""
    first = Counter(record.topic for record in play(live(settings(**NO_FAULTS)), 10))
    assert first["transactions"] == pytest.approx(2000, rel=0.12)
    assert first["product_views"] == pytest.approx(3000, rel=0.12)


def test_offset_moves_event_times_and_kafka_times() -> None:
    config, hour_us = settings(**NO_FAULTS), 3_600_000_000
    plain = decode("transactions", play(live(config), 5))
    moved_records = list(live(config).records(START_US + 5_000_000, hour_us, None))
    moved = decode("transactions", moved_records)
    assert [t + hour_us for t in plain.timestamps_us] == moved.timestamps_us
    assert min(record.at_us for record in moved_records) >= START_US + hour_us


def test_crowded_sessions_keep_the_rates() -> None:
    """At rates where 20,000 open sessions do not suffice, people think faster."""
    rates = GUIDE_RATES.scaled(50)
    counts = Counter(record.topic for record in play(live(settings(**NO_FAULTS), rates), 3))
    assert counts["transactions"] == pytest.approx(30_000, rel=0.04)
    assert counts["cart_events"] == pytest.approx(15_000, rel=0.04)
