"""The guide's three rules at their edges."""

from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.fraud.judging import Judge
from app.fraud.measures import Orders
from app.fraud.rulebook import Rulebook, RuleVersion, guide_rules
from app.settings import AnomalySettings
from tables.user_histories import UserHistories
from tests.sink.chunk_slices import order

RaisedAnomaly = tuple[int, str, Decimal, Decimal, str]
One = tuple[int, int, int]


def _judge(settings: AnomalySettings) -> Judge:
    return Judge(Rulebook(1, tuple(RuleVersion(rule, 1) for rule in guide_rules(settings))))


def _raised(judge: Judge, measures: list[One]) -> list[RaisedAnomaly]:
    """What orders of these cents, quantities and recent orders raise."""
    rows = [order(n, amount_cents=cents, quantity=quantity) for n, (cents, quantity, _) in enumerate(measures)]
    orders = Orders(rows, rows, [0] * len(rows), [recent for _, _, recent in measures])
    assert judge.needed(orders, UserHistories()) == {}
    return [
        (one.place, one.version.rule.id, one.score, one.threshold, one.description)
        for one in judge.judge(orders, UserHistories())
    ]


def _high(score: str, amount: str) -> RaisedAnomaly:
    return (0, "high_value", Decimal(score), Decimal("5000.00"), f"High value transaction: ${amount}")


def _bulk(score: str, items: int) -> RaisedAnomaly:
    return (0, "unusual_quantity", Decimal(score), Decimal(10), f"Unusual quantity: {items} items")


def _rapid(score: str, events: int) -> RaisedAnomaly:
    return (0, "rapid_transactions", Decimal(score), Decimal(5), f"Rapid transactions: {events} in 60 seconds")


@pytest.mark.parametrize(
    ("one", "raised"),
    [
        ((0, 1, 1), []),
        ((500_000, 1, 1), []),
        ((500_001, 1, 1), [_high("1.0000", "5000.01")]),
        ((900_000, 1, 1), [_high("1.8000", "9000.00")]),
        ((999_999_999_999, 1, 1), [_high("2000000.0000", "9999999999.99")]),
        ((1, 9, 1), []),
        ((1, 10, 1), [_bulk("1.0000", 10)]),
        ((1, 1_000_000, 1), [_bulk("100000.0000", 1_000_000)]),
        ((1, 1, 5), []),
        ((1, 1, 6), [_rapid("1.2000", 6)]),
        ((1_000_000, 25, 12), [_high("2.0000", "10000.00"), _bulk("2.5000", 25), _rapid("2.4000", 12)]),
    ],
)
def test_edges_scores_and_texts(one: One, raised: list[RaisedAnomaly]) -> None:
    assert _raised(_judge(AnomalySettings()), [one]) == raised


@pytest.mark.parametrize(("cents", "score"), [(500_025, "1.0001"), (500_024, "1.0000"), (500_075, "1.0002")])
def test_scores_are_rounded_half_up(cents: int, score: str) -> None:
    assert [one[2] for one in _raised(_judge(AnomalySettings()), [(cents, 1, 1)])] == [Decimal(score)]


@given(
    st.integers(0, 999_999_999_999),
    st.integers(1, 10**6),
    st.integers(1, 10**4),
    st.integers(1, 10**9),
    st.integers(1, 100),
    st.integers(1, 100),
)
def test_rules_agree_with_the_contract(
    cents: int, quantity: int, recent: int, limit: int, items: int, events: int
) -> None:
    judge = _judge(AnomalySettings(high_value=Decimal(limit) / 100, unusual_quantity=items, rapid_transactions=events))
    expected = {
        name: (Decimal(value) / Decimal(threshold)).quantize(Decimal("0.0001"), ROUND_HALF_UP)
        for name, value, threshold, holds in (
            ("high_value", cents, limit, cents > limit),
            ("unusual_quantity", quantity, items, quantity >= items),
            ("rapid_transactions", recent, events, recent > events),
        )
        if holds
    }
    assert {one[1]: one[2] for one in _raised(judge, [(cents, quantity, recent)])} == expected


def test_a_chunk_is_judged_place_by_place() -> None:
    chunk = [(100, 1, 1), (500_001, 1, 2), (100, 10, 3), (500_001, 10, 6)]
    judge = _judge(AnomalySettings())
    assert sorted(one[:2] for one in _raised(judge, chunk)) == [
        (1, "high_value"),
        (2, "unusual_quantity"),
        (3, "high_value"),
        (3, "rapid_transactions"),
        (3, "unusual_quantity"),
    ]
    assert _raised(judge, []) == []
