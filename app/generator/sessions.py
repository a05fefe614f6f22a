"""Sessions: customers who come, look, fill carts, buy or leave."""

import math
from array import array
from random import Random
from typing import Final

from app.domain.anomalies import RAPID_TRANSACTIONS, UNUSUAL_QUANTITY
from app.generator.ids import Ids
from app.generator.mix import (
    BROWSE_VIEWS,
    EXTRA_ITEM_SHARE,
    REMOVE_SHARE,
    LowDiscrepancySampler,
    SessionKind,
    SessionMix,
)
from app.generator.orders import OrderGenerator
from app.generator.planned_event import PlannedEvent, Trouble
from app.generator.shop import Shop
from app.generator.visit import Visit

SECOND_US: Final = 1_000_000
MINUTE_US: Final = 60 * SECOND_US
_BURST_SPREAD: Final = 5  # a burst has one to five orders more than it takes to be noticed
_BURST_SPAN_US: Final = 20 * SECOND_US
_REDRAWS: Final = 20


def mean_burst_size(rapid_limit: int) -> float:
    """Return the mean number of orders of a burst that exceeds the threshold."""
    return rapid_limit + (_BURST_SPREAD + 1) / 2


class Sessions:
    """Plans one session at a time; `think_us` is the mean pause between two steps."""

    def __init__(
        self,
        shop: Shop,
        mix: SessionMix,
        desk: OrderGenerator,
        trouble: Trouble,
        ids: Ids,
        rng: Random,
        think_us: float,
        rapid_limit: int,
    ) -> None:
        self._shop = shop
        self._mix = mix
        self._kinds = mix.kinds()
        self._desk = desk
        self._trouble = trouble
        self._ids = ids
        self._rng = rng
        self._think_us = think_us
        self._rapid = rapid_limit
        self._gap_us = _gap_us(mix, len(shop.population.joined), rapid_limit)
        self._free_at_us = array("q", [0]) * len(shop.population.country_of)
        self._steering = LowDiscrepancySampler(rng.random())

    def plan(self, start_us: int, fraction: float, warming_up: bool) -> list[PlannedEvent]:
        """Return the events of a session that begins now, at a fraction of the history.

        While warming up there are no bursts: half a burst would not be one.
        """
        kind = SessionKind(self._kinds.draw(self._steering.draw()))
        if kind is SessionKind.BURST:
            return [] if warming_up else self._burst(start_us, fraction)
        buys = kind in (SessionKind.CART_BUY, SessionKind.DIRECT_BUY)
        user = (self._buyer if buys else self._visitor)(start_us, fraction)
        late_us = self._trouble.lateness_us()
        visit = Visit(self._shop, self._ids, self._trouble, user, start_us, late_us)
        product = self._look_around(visit, kind, self._shop.population.country_of[user])
        if kind is SessionKind.CART_BUY:
            self._buy_from_cart(visit, product)
        elif kind is SessionKind.DIRECT_BUY:
            kind_of_order, quantity = self._choose_order()
            self._pay(visit, product, quantity, kind_of_order)
        elif kind is SessionKind.CART_LEAVE:
            self._leave_cart(visit, product)
        return visit.events

    def _look_around(self, visit: Visit, kind: SessionKind, country: int) -> int:
        """View some products; return the last one, which is the one bought if any is."""
        product = self._shop.draw_product(self._rng, country)
        for _ in range(self._views(kind)):
            visit.view(product := self._shop.draw_product(self._rng, country))
            self._think(visit)
        return product

    def _views(self, kind: SessionKind) -> int:
        mean = BROWSE_VIEWS if kind is SessionKind.BROWSE else self._mix.shopping_views
        if mean < 1.0:
            return int(self._rng.random() < mean)
        if mean == 1.0:
            return 1
        stop = 1.0 / mean  # geometric on 1, 2, ... with this mean
        return 1 + int(math.log(1.0 - self._rng.random()) / math.log(1.0 - stop))

    def _buy_from_cart(self, visit: Visit, product: int) -> None:
        kind, quantity = self._choose_order()
        visit.cart("add", product, quantity)
        self._think(visit)
        if self._rng.random() < EXTRA_ITEM_SHARE:
            extra = self._neighbour(product)
            visit.cart("add", extra, 1)
            self._think(visit)
            visit.cart("remove", extra, 1)
            self._think(visit)
        visit.cart("checkout", product, quantity)
        visit.clock_us += int(SECOND_US * (0.3 + 2.0 * self._rng.random()))
        self._pay(visit, product, quantity, kind)

    def _leave_cart(self, visit: Visit, product: int) -> None:
        quantity = self._desk.quantity()
        visit.cart("add", product, quantity)
        self._think(visit)
        if self._rng.random() < EXTRA_ITEM_SHARE:
            visit.cart("add", self._neighbour(product), 1)
            self._think(visit)
        if self._rng.random() < REMOVE_SHARE:
            visit.cart("remove", product, quantity)

    def _choose_order(self) -> tuple[str, int]:
        kind = self._desk.kind()
        bulk = kind == UNUSUAL_QUANTITY
        return kind, self._desk.bulk_quantity() if bulk else self._desk.quantity()

    def _pay(self, visit: Visit, product: int, quantity: int, kind: str) -> None:
        visit.order(self._desk, product, quantity, kind, (kind,) if kind else ())

    def _burst(self, start_us: int, fraction: float) -> list[PlannedEvent]:
        """Orders of one customer within a minute; those beyond the threshold are marked."""
        user = self._quiet_user(start_us, fraction)
        visit = Visit(self._shop, self._ids, self._trouble, user, start_us, 0)
        size = self._rapid + 1 + int(self._rng.random() * _BURST_SPREAD)
        country = self._shop.population.country_of[user]
        for number in range(1, size + 1):
            product = self._shop.draw_product(self._rng, country)
            beyond = (RAPID_TRANSACTIONS,) if number > self._rapid else ()
            visit.order(self._desk, product, self._desk.quantity(), "", ("rapid_burst_order", *beyond))
            visit.clock_us += int(_BURST_SPAN_US / size * (0.2 + 0.8 * self._rng.random()))
        self._free_at_us[user] = visit.clock_us + MINUTE_US
        return visit.events

    def _neighbour(self, product: int) -> int:
        category = self._shop.catalogue.category_of[product]
        return self._shop.catalogue.draw(category, self._rng.random())

    def _visitor(self, start_us: int, fraction: float) -> int:
        return self._shop.population.draw(self._rng, fraction)

    def _buyer(self, start_us: int, fraction: float) -> int:
        """Draw a customer who has not just bought: ordinary orders never look like a burst."""
        user = self._free_user(start_us, fraction)
        self._free_at_us[user] = max(self._free_at_us[user], start_us) + self._gap_us
        return user

    def _free_user(self, start_us: int, fraction: float) -> int:
        for _ in range(_REDRAWS):
            user = self._shop.population.draw(self._rng, fraction)
            if self._free_at_us[user] <= start_us:
                break
        return user

    def _quiet_user(self, start_us: int, fraction: float) -> int:
        """Draw anybody who has not bought for two minutes, busy customer or not."""
        population = self._shop.population
        for _ in range(_REDRAWS):
            user = int(self._rng.random() * len(population.joined))
            quiet = self._free_at_us[user] <= start_us - 2 * MINUTE_US
            if quiet and population.is_there(user, fraction):
                break
        return user

    def _think(self, visit: Visit) -> None:
        visit.clock_us += 1 + int(self._rng.expovariate(1.0) * self._think_us)


def _gap_us(mix: SessionMix, users: int, rapid_limit: int) -> int:
    """Return how long a customer who bought is left alone: so long that no burst comes about.

    Shorter where customers are too few for the rate: at most a quarter of them can be left alone, and
    orders then do come rapidly.
    """
    orders = mix.per_second[SessionKind.CART_BUY] + mix.per_second[SessionKind.DIRECT_BUY]
    spared = 0.25 * users / orders * SECOND_US if orders else MINUTE_US
    return int(min(2 * MINUTE_US / rapid_limit, spared))
