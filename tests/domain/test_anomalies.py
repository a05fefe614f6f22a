"""The three rules at their edges."""

from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.anomalies import Anomaly, Measures, evaluate, standard_rules
from app.settings import AnomalySettings

RULES = standard_rules(AnomalySettings())


def _one(cents: int, quantity: int, recent: int) -> Measures:
    """Measures of a single transaction."""
    return {"amount_cents": [cents], "quantity": [quantity], "recent": [recent]}


def _high(score: str, amount: str) -> Anomaly:
    description = f"High value transaction: ${amount}"
    return Anomaly(0, "high_value", Decimal(score), Decimal("5000.00"), description)


def _bulk(score: str, items: int) -> Anomaly:
    return Anomaly(0, "unusual_quantity", Decimal(score), Decimal(10), f"Unusual quantity: {items} items")


def _rapid(score: str, events: int) -> Anomaly:
    description = f"Rapid transactions: {events} in 60 seconds"
    return Anomaly(0, "rapid_transactions", Decimal(score), Decimal(5), description)


@pytest.mark.parametrize(
    ("measures", "raised"),
    [
        (_one(0, 1, 1), []),
        (_one(500_000, 1, 1), []),
        (_one(500_001, 1, 1), [_high("1.0000", "5000.01")]),
        (_one(900_000, 1, 1), [_high("1.8000", "9000.00")]),
        (_one(999_999_999_999, 1, 1), [_high("2000000.0000", "9999999999.99")]),
        (_one(1, 9, 1), []),
        (_one(1, 10, 1), [_bulk("1.0000", 10)]),
        (_one(1, 1_000_000, 1), [_bulk("100000.0000", 1_000_000)]),
        (_one(1, 1, 5), []),
        (_one(1, 1, 6), [_rapid("1.2000", 6)]),
        (_one(1_000_000, 25, 12), [_high("2.0000", "10000.00"), _bulk("2.5000", 25), _rapid("2.4000", 12)]),
    ],
)
def test_edges_scores_and_texts(measures: Measures, raised: list[Anomaly]) -> None:
    assert evaluate(RULES, measures) == raised


@pytest.mark.parametrize(("cents", "score"), [(500_025, "1.0001"), (500_024, "1.0000"), (500_075, "1.0002")])
def test_scores_are_rounded_half_up(cents: int, score: str) -> None:
    assert [anomaly.score for anomaly in evaluate(RULES, _one(cents, 1, 1))] == [Decimal(score)]


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
    rules = standard_rules(
        AnomalySettings(high_value=Decimal(limit) / 100, unusual_quantity=items, rapid_transactions=events)
    )
    expected = {
        name: (Decimal(value) / Decimal(threshold)).quantize(Decimal("0.0001"), ROUND_HALF_UP)
        for name, value, threshold, holds in (
            ("high_value", cents, limit, cents > limit),
            ("unusual_quantity", quantity, items, quantity >= items),
            ("rapid_transactions", recent, events, recent > events),
        )
        if holds
    }
    raised = evaluate(rules, _one(cents, quantity, recent))
    assert {anomaly.anomaly_type: anomaly.score for anomaly in raised} == expected


def test_a_chunk_is_judged_place_by_place() -> None:
    measures = {"amount_cents": [100, 500_001, 100, 500_001], "quantity": [1, 1, 10, 10], "recent": [1, 2, 3, 6]}
    raised = [(anomaly.place, anomaly.anomaly_type) for anomaly in evaluate(RULES, measures)]
    assert sorted(raised) == [
        (1, "high_value"),
        (2, "unusual_quantity"),
        (3, "high_value"),
        (3, "rapid_transactions"),
        (3, "unusual_quantity"),
    ]
    assert evaluate(RULES, {"amount_cents": [], "quantity": [], "recent": []}) == []
