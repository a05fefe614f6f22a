"""What is injected on purpose, how often, and that the counts tells the truth about it."""

from collections import Counter
from typing import Any

import pytest

from app.generator.record import Counts, Record
from app.topics import SOURCE_TOPICS, TRANSACTIONS
from tables.velocity import PartitionVelocity
from tests.generator.shop import ANOMALY, NO_ANOMALIES, NO_FAULTS, START_US, decode, live, play, settings

SECONDS = 150


@pytest.fixture(scope="module")
def dirty() -> tuple[list[Record], Counts]:
    """A run with far more trouble than usual."""
    config = settings(
        malformed_share=0.02,
        duplicate_share=0.03,
        conflicting_share=0.01,
        forgiven_share=0.05,
        high_value_share=0.02,
        unusual_quantity_share=0.03,
        rapid_share=0.002,
        late_share=0.02,
        out_of_order_share=0.05,
    )
    traffic = live(config)
    return play(traffic, SECONDS), traffic.counts


def anomalies(records: list[Record]) -> Counter[str]:
    """Anomalies of the orders, first of each id, judged by the contract's rules."""
    found: Counter[str] = Counter()
    velocity, seen = PartitionVelocity(), set()
    for row in decode(TRANSACTIONS, records).rows:
        if row.transaction_id in seen:
            continue
        seen.add(row.transaction_id)
        at_us = int(row.timestamp.timestamp() * 1_000_000)
        recent = velocity.add(row.user_id, at_us) or 0
        found["high_value"] += row.amount_cents > ANOMALY.high_value * 100
        found["unusual_quantity"] += row.quantity >= ANOMALY.unusual_quantity
        found["rapid_transactions"] += recent > ANOMALY.rapid_transactions
    return found


def test_expected_ledger_is_what_the_rules_make_of_the_records(dirty: tuple[list[Record], Counts]) -> None:
    records, counts = dirty
    for topic in SOURCE_TOPICS:
        decoded = decode(topic, records)
        first: dict[Any, Any] = {}
        conflicting = 0
        for row in decoded.rows:
            identity = row[:4] if topic == "system_metrics" else row[0]
            content = row[:-1]
            conflicting += first.setdefault(identity, content) != content
        assert counts.topics[topic].expected() == {
            "produced": len([record for record in records if record.topic == topic]),
            "stored": len(first),
            "duplicates": len(decoded.rows) - len(first),
            "conflicting": conflicting,
            "dead_lettered": len(decoded.dead_letters),
        }


def test_injected_anomalies_are_all_that_is_raised(dirty: tuple[list[Record], Counts]) -> None:
    records, counts = dirty
    found = anomalies(records)
    for kind in ("high_value", "unusual_quantity"):
        assert found[kind] == counts.injected[kind] > 0
    raised, injected = found["rapid_transactions"], counts.injected["rapid_transactions"]
    assert injected > 50
    assert abs(raised - injected) <= 0.03 * injected


def test_forgiven_forms_are_counted_as_the_decoder_counts_them(dirty: tuple[list[Record], Counts]) -> None:
    records, counts = dirty
    naive = sum(len(decode(topic, records).assumed_utc_offsets) for topic in SOURCE_TOPICS)
    rounded = len(decode(TRANSACTIONS, records).rounded_offsets)
    assert naive == counts.forgiven["timestamp_without_offset"] > 0
    assert rounded == counts.forgiven["amount_with_more_decimals"] > 0


def test_shares_are_as_set(dirty: tuple[list[Record], Counts]) -> None:
    records, counts = dirty
    produced, orders = counts.produced, counts.topics[TRANSACTIONS].produced
    assert produced == len(records)
    shares = {
        "malformed": (counts.malformed.total() / produced, 0.02),
        "duplicates": (sum(t.duplicates for t in counts.topics.values()) / produced, 0.04),
        "conflicting": (sum(t.conflicting for t in counts.topics.values()) / produced, 0.01),
        "forgiven": (counts.forgiven.total() / produced, 0.05),
        "late": (counts.injected["late"] / produced, 0.02),
        "out_of_order": (counts.injected["out_of_order"] / produced, 0.05),
        "high_value": (counts.injected["high_value"] / orders, 0.02),
        "unusual_quantity": (counts.injected["unusual_quantity"] / orders, 0.03),
        "rapid": (counts.injected["rapid_burst_order"] / 8 / orders, 0.002),
    }
    for name, (share, wanted) in shares.items():
        assert share == pytest.approx(wanted, rel=0.25), name


def test_late_events_are_behind_by_more_than_the_allowed_lateness() -> None:
    config = settings(**{**NO_FAULTS, "late_share": 0.05})
    traffic = live(config)
    records = play(traffic, 30)
    behind = [
        record.at_us - at_us
        for topic in SOURCE_TOPICS
        for record, at_us in zip(
            [r for r in records if r.topic == topic], decode(topic, records).timestamps_us, strict=True
        )
    ]
    assert sum(delay > 600_000_000 for delay in behind) == traffic.counts.injected["late"] > 0
    assert all(delay == 0 or delay > 600_000_000 for delay in behind)


def test_events_out_of_order_are_seconds_behind() -> None:
    traffic = live(settings(**{**NO_FAULTS, "out_of_order_share": 0.05}))
    records = play(traffic, 30)
    orders = [record for record in records if record.topic == TRANSACTIONS]
    times = decode(TRANSACTIONS, records).timestamps_us
    behind = [record.at_us - at_us for record, at_us in zip(orders, times, strict=True)]
    assert {0} < set(behind)
    assert all(delay == 0 or 1_000_000 <= delay <= 20_000_000 for delay in behind)
    assert times != sorted(times)


def test_ordinary_traffic_raises_nothing_and_all_of_it_is_accepted() -> None:
    traffic = live(settings(**NO_FAULTS, **NO_ANOMALIES))
    records = play(traffic, 120)
    assert not any(decode(topic, records).dead_letters for topic in SOURCE_TOPICS)
    assert anomalies(records).total() == 0
    assert not traffic.counts.injected


def test_every_kind_of_rubbish_comes_up() -> None:
    traffic = live(settings(malformed_share=0.2))
    play(traffic, 30)
    assert len(traffic.counts.malformed) == 18


def test_future_timestamps_are_ahead_of_the_kafka_time_also_in_old_traffic() -> None:
    """History that is stamped with the present must be refused by that, not by its own time."""
    traffic = live(settings(**{**NO_FAULTS, "malformed_share": 0.2}))
    now_us = START_US + 90 * 86_400_000_000
    records = list(traffic.records(START_US + 10_000_000, 0, now_us))
    letters = [letter for topic in SOURCE_TOPICS for letter in decode(topic, records).dead_letters]
    future = [letter for letter in letters if letter.reason == "future_timestamp"]
    assert len(future) == traffic.counts.malformed["future_timestamp"] > 0
