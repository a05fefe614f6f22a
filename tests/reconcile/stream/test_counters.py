"""What the recount itself counts, on streams small enough to draw."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from app.reconcile.stream.counters import PartitionCounters
from app.reconcile.stream.edition_records import Editions, RuleVersion
from app.reconcile.stream.expected_store import ExpectedStore
from app.reconcile.stream.json_values import SECOND_US
from app.reconcile.stream.judged_again import JudgedAgain
from app.reconcile.stream.record_validation import Event
from app.topics import PRODUCT_VIEWS, TRANSACTIONS

_PARAMETERS: dict[str, dict[str, Any]] = {
    "high_value": {"kind": "amount", "above": "5000.00"},
    "unusual_quantity": {"kind": "quantity", "at_least": 10},
    "rapid_transactions": {"kind": "velocity", "more_than": 5, "seconds": 60},
}
#: The guide's three rules, without their weights and severities.
GUIDE = Editions(
    {1: (30, 80)},
    [
        RuleVersion(name, 1, 1, rank, {"name": name, "state": "active"} | parameters)
        for rank, (name, parameters) in enumerate(_PARAMETERS.items())
    ],
)


def order(name: str, second: float, amount: str = "1.00", *, user: str = "u", quantity: int = 1) -> Event:
    time_us = int(second * SECOND_US)
    values = (name, user, time_us, Decimal(amount), None, None, None, quantity, *[None] * 6)
    return Event(values, time_us, False, False)


def counters(topic: str = TRANSACTIONS) -> PartitionCounters:
    return PartitionCounters(topic, 0, lateness_seconds=600, judge=JudgedAgain(0, GUIDE))


def raised(folder: Path, *orders: Event) -> list[tuple[str, str, str]]:
    """(transaction, type, score) of the anomalies of orders accepted in this sequence."""
    with ExpectedStore(60, 30, folder) as expected_store:
        line = counters()
        for offset, event in enumerate(orders):
            line.accept(event, offset)
        line.flush(expected_store)
        return [(a.transaction_id, a.anomaly_type, a.score) for a in expected_store.anomalies()]


@pytest.mark.parametrize(
    ("seconds", "late", "watermark"),
    [
        ([0], 0, 0),
        ([0, 600, 0], 0, 600),  # exactly the allowed lateness behind
        ([0, 600, -0.000001], 1, 600),
        ([700, 0, 50, 100], 2, 700),  # late events do not move the watermark
        ([-5, -3], 0, -3),
    ],
)
def test_watermark_and_lateness(seconds: list[float], late: int, watermark: float) -> None:
    line = counters(PRODUCT_VIEWS)
    for second in seconds:
        line.accept(Event((), int(second * SECOND_US), False, False), 0)
    assert line.counters["late"] == late
    assert line.watermark_us == watermark * SECOND_US


def test_refused_and_repeated_records_leave_the_watermark_alone() -> None:
    line = counters()
    line.reject()
    line.repeat(conflicting=False)
    line.repeat(conflicting=True)
    assert line.watermark_us is None
    assert line.counters == {"dead_lettered": 1, "duplicates": 2, "conflicting": 1}


def test_high_value_is_above_the_limit(tmp_path: Path) -> None:
    assert raised(tmp_path, order("a", 0, "5000.00"), order("b", 0, "5000.01")) == [("b", "high_value", "1.0000")]
    assert raised(tmp_path, order("a", 0, "5000.25")) == [("a", "high_value", "1.0001")]  # 1.00005 half up


def test_unusual_quantity_is_at_the_limit(tmp_path: Path) -> None:
    assert raised(tmp_path, order("a", 0, quantity=9), order("b", 0, quantity=10)) == [
        ("b", "unusual_quantity", "1.0000")
    ]


#   t - 60 s                                    t
#      (---------------------------------------]
#   out                                        in
@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        ([0, 1, 2, 3, 4], []),
        ([0, 1, 2, 3, 4, 5], [("o5", "1.2000")]),
        ([0, 1, 2, 3, 4, 60], []),
        ([0, 1, 2, 3, 4, 59.999999], [("o5", "1.2000")]),
        ([0, 0, 0, 0, 0, 0, 0], [("o5", "1.2000"), ("o6", "1.4000")]),
        ([5, 4, 3, 2, 1, 0], []),  # later offsets look back in time, and the past is empty
        ([0, 1, 2, 3, 90, 4, 5], [("o6", "1.2000")]),  # what is newer than t does not count
    ],
)
def test_rapid_transactions(tmp_path: Path, seconds: list[float], expected: list[tuple[str, str]]) -> None:
    found = raised(tmp_path, *(order(f"o{number}", second) for number, second in enumerate(seconds)))
    assert found == [(name, "rapid_transactions", score) for name, score in expected]


def test_rapid_transactions_are_of_one_user(tmp_path: Path) -> None:
    assert raised(tmp_path, *(order(f"o{n}", n, user=f"u{n % 2}") for n in range(10))) == []


def test_one_order_can_raise_everything(tmp_path: Path) -> None:
    burst = [order(f"o{number}", 0) for number in range(5)]
    kinds = [kind for _, kind, _ in raised(tmp_path, *burst, order("x", 0, "6000", quantity=30))]
    assert kinds == ["high_value", "rapid_transactions", "unusual_quantity"]


#        |  pane 0  |  pane 30 |  pane 60 |
#        [-------- window 0 ---)
#                   [------ window 30 ----)
@pytest.mark.parametrize(
    ("second", "starts"), [(0, [-30, 0]), (29.999999, [-30, 0]), (30, [0, 30]), (-0.000001, [-60, -30])]
)
def test_windows_that_hold_an_order(tmp_path: Path, second: float, starts: list[int]) -> None:
    with ExpectedStore(60, 30, tmp_path) as expected_store:
        expected_store.accept([(0, round(second * SECOND_US), None, None, 5)])
        assert [line.start_us // SECOND_US for line in expected_store.windows()] == starts


def test_slots_are_exact_sums_sorted_by_the_name_they_count_under(tmp_path: Path) -> None:
    with ExpectedStore(60, 60, tmp_path) as expected_store:
        expected_store.accept([(0, 0, "b", None, 999_999_999_999), (0, 59, "b", None, 1)])
        expected_store.accept([(1, 0, None, "x", 2), (0, 0, None, None, 3)])
        found = [(line.partition, *line[2:]) for line in expected_store.slots("pane", by_category=True)]
        assert found == [
            (0, "b", "unknown", 2, 1_000_000_000_000),
            (0, "unknown", "unknown", 1, 3),
            (1, "unknown", "x", 1, 2),
        ]
        totals = [(line.partition, *line[2:]) for line in expected_store.slots("day", by_category=False)]
        assert totals == [(0, None, "unknown", 3, 1_000_000_000_003), (1, None, "x", 1, 2)]
        assert [(line.category, line.cents) for line in expected_store.windows()] == [
            ("b", 1_000_000_000_000),
            ("unknown", 3),
            ("unknown", 2),
        ]
