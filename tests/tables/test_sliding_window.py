"""Live sums over (now - 60 s, now] in steps of a second."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tables.sliding_window import SlidingRevenue, bucket_of, sum_at

SECOND = 1_000_000


#   now - 60 s                    now
#       (--------------------------]
@pytest.mark.parametrize(
    ("timestamp_us", "second"), [(0, 0), (1, 1), (SECOND - 1, 1), (SECOND, 1), (SECOND + 1, 2), (-1, 0), (-SECOND, -1)]
)
def test_an_event_counts_from_the_second_it_is_complete_in(timestamp_us: int, second: int) -> None:
    assert bucket_of(timestamp_us) == second


@pytest.mark.parametrize(("now", "sum_cents"), [(99, 0), (100, 7), (159, 7), (160, 0)])
def test_an_event_at_a_whole_second_counts_for_sixty_figures(now: int, sum_cents: int) -> None:
    assert sum_at({bucket_of(100 * SECOND): 7}, now) == sum_cents


@pytest.mark.parametrize(("now", "sum_cents"), [(100, 0), (101, 7), (160, 7), (161, 0)])
def test_an_event_just_after_a_second_counts_one_later(now: int, sum_cents: int) -> None:
    assert sum_at({bucket_of(100 * SECOND + 1): 7}, now) == sum_cents


_SALES = st.lists(
    st.tuples(st.sampled_from(["a", "b"]), st.integers(0, 200 * SECOND), st.integers(0, 10**12)), max_size=40
)
Sales = list[tuple[str, int, int]]


def naive(sales: Sales, now: int) -> dict[str, int]:
    sums: dict[str, int] = {}
    for name, timestamp_us, cents in sales:
        if (now - 60) * SECOND < timestamp_us <= now * SECOND and cents:
            sums[name] = sums.get(name, 0) + cents
    return sums


@given(_SALES, st.integers(-10, 280))
def test_figures_equal_a_naive_sum(sales: Sales, now: int) -> None:
    revenue = SlidingRevenue()
    for sale in sales:
        revenue.add(*sale)
    assert revenue.at(now) == naive(sales, now)


@given(_SALES, st.lists(st.integers(0, 280), min_size=1, max_size=8))
def test_expiry_changes_no_later_figure_and_bounds_memory(sales: Sales, clock: list[int]) -> None:
    revenue = SlidingRevenue()
    for sale in sales:
        revenue.add(*sale)
    for now in sorted(clock):
        revenue.expire(now)
        assert revenue.at(now) == naive(sales, now)
        kept = [second for buckets in revenue.buckets.values() for second in buckets]
        assert all(second > now - 60 for second in kept)
    revenue.expire(max(clock) + 300)
    assert revenue.buckets == {}
