"""The mix of sessions whose events have the configured rates.

Transactions, views and cart events all belong to sessions, so their rates cannot be drawn independently. Five kinds of
session have known mean numbers of each event, and the rates of the kinds solve

    transactions = burst * b + buy from a cart + buy directly
    cart events  = buy from a cart * 2.4 + leave a cart * 1.5
    views        = (buy from a cart + buy directly + leave a cart) * m + browse * 2.5

exactly: `cart_conversion` determines how many carts are bought, at most as many as there are orders; the remaining
orders are direct purchases; three quarters of the views (at most 3 each) belong to sessions that shop and the others to
sessions that only browse. So the expected counts equal the rates, whatever they are. The kind of the next session is
not drawn independently: a low-discrepancy sequence keeps the number of each kind close to its share at any time (see
`LowDiscrepancySampler`).
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NamedTuple

from app.generator.shop import Weighted

EXTRA_ITEM_SHARE: Final = 0.2  # sessions that put a second product into the cart
REMOVE_SHARE: Final = 0.3  # abandoned carts from which the first product was removed
CART_BUY_EVENTS: Final = 2 + 2 * EXTRA_ITEM_SHARE  # add, checkout; add and remove of the extra
CART_LEAVE_EVENTS: Final = 1 + EXTRA_ITEM_SHARE + REMOVE_SHARE
BROWSE_VIEWS: Final = 2.5
_SHOPPING_VIEWS_SHARE: Final = 0.75
_SHOPPING_VIEWS_MOST: Final = 3.0
_GOLDEN: Final = 0.6180339887498949


class SessionKind(IntEnum):
    """The outcome of a session."""

    BURST = 0
    CART_BUY = 1
    DIRECT_BUY = 2
    CART_LEAVE = 3
    BROWSE = 4


class Rates(NamedTuple):
    """Mean events per second of each topic."""

    transactions: float
    product_views: float
    cart_events: float
    system_metrics: float

    def scaled(self, factor: float) -> "Rates":
        """Returns all rates times a factor."""
        return Rates(*(rate * factor for rate in self))

    @property
    def total(self) -> float:
        """Events per second of all topics."""
        return sum(self)


@dataclass(frozen=True, slots=True)
class SessionMix:
    """Sessions per second by kind, and mean views of a session that shops."""

    per_second: tuple[float, float, float, float, float]
    shopping_views: float

    @property
    def rate(self) -> float:
        """Sessions per second of all kinds."""
        return sum(self.per_second)

    def kinds(self) -> Weighted:
        """Returns the kinds weighted by their rates, equally if there are no sessions."""
        return Weighted(self.per_second if self.rate else (1.0,) * len(self.per_second))

    @property
    def mean_steps(self) -> float:
        """Mean number of events of a session of the longest kind."""
        return 4.0 + max(self.shopping_views, BROWSE_VIEWS)


def solve_mix(rates: Rates, cart_conversion: float, rapid_share: float, burst_size: float) -> SessionMix:
    """Returns the mix with these rates; `rapid_share` of the orders start a burst of `burst_size`."""
    bursts = rapid_share * rates.transactions
    orders = max(0.0, rates.transactions - bursts * burst_size)
    mean_cart = cart_conversion * CART_BUY_EVENTS + (1 - cart_conversion) * CART_LEAVE_EVENTS
    cart_buys = min(cart_conversion * rates.cart_events / mean_cart, orders)
    leaves = max(0.0, rates.cart_events - cart_buys * CART_BUY_EVENTS) / CART_LEAVE_EVENTS
    shopping = orders + leaves
    views = rates.product_views
    each = min(_SHOPPING_VIEWS_MOST, _SHOPPING_VIEWS_SHARE * views / shopping) if shopping else 0.0
    browses = max(0.0, views - shopping * each) / BROWSE_VIEWS
    return SessionMix((bursts, cart_buys, orders - cart_buys, leaves, browses), each)


class LowDiscrepancySampler:
    """Numbers that cover [0, 1) evenly from the first on: the additive golden-ratio sequence.

    Among any n successive numbers each interval has its share within O(log n) (Kuipers and Niederreiter, Uniform
    Distribution of Sequences, 2.3); independent draws would deviate by the root of n.
    """

    __slots__ = ("_value",)

    def __init__(self, start: float) -> None:
        self._value = start

    def draw(self) -> float:
        """Returns the next number."""
        self._value = (self._value + _GOLDEN) % 1.0
        return self._value
