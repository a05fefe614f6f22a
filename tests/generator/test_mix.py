"""The equations of the session mix."""

from hypothesis import given
from hypothesis import strategies as st

from app.generator.mix import BROWSE_VIEWS, CART_BUY_EVENTS, CART_LEAVE_EVENTS, LowDiscrepancySampler, Rates, solve_mix

RATE = st.floats(min_value=0, max_value=10_000)


@given(RATE, RATE, RATE, st.floats(0, 1), st.floats(0, 0.05))
def test_the_mix_adds_up_to_the_rates(
    transactions: float, views: float, carts: float, conversion: float, rapid_share: float
) -> None:
    mix = solve_mix(Rates(transactions, views, carts, 0.0), conversion, rapid_share, 8.0)
    bursts, cart_buys, direct, leaves, browses = mix.per_second
    close = 1e-6 * (1 + transactions + views + carts)
    assert min(mix.per_second) >= 0
    assert abs(bursts * 8.0 + cart_buys + direct - transactions) < close
    assert abs(cart_buys * CART_BUY_EVENTS + leaves * CART_LEAVE_EVENTS - carts) < close
    shopping = (cart_buys + direct + leaves) * mix.shopping_views
    assert abs(shopping + browses * BROWSE_VIEWS - views) < close


def test_steering_keeps_every_interval_at_its_share() -> None:
    steering = LowDiscrepancySampler(0.3)
    inside = 0
    for n in range(1, 10_001):
        inside += steering.draw() < 0.17
        assert abs(inside - 0.17 * n) < 4
