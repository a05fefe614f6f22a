"""Sessions: customers who view products, fill carts, buy or leave."""

import math
from array import array
from random import Random
from typing import Any, Final

from app.domain.anomalies import HIGH_VALUE, RAPID_TRANSACTIONS, UNUSUAL_QUANTITY
from app.generator.mix import (
    BROWSE_VIEWS,
    EXTRA_ITEM_SHARE,
    REMOVE_SHARE,
    LowDiscrepancySampler,
    SessionKind,
    SessionMix,
)
from app.generator.planned_event import Fault, FaultInjector, PlannedEvent
from app.generator.record import Ids
from app.generator.shop import QUANTITIES, Catalogue, Shop, Weighted
from app.settings import AnomalySettings, GeneratorSettings
from app.topics import CART_EVENTS, PRODUCT_VIEWS, TRANSACTIONS

_PAYMENT_METHODS: Final = ("credit_card", "debit_card", "paypal", "apple_pay", "bank_transfer")
_PAYMENT_WEIGHTS: Final = Weighted((45, 20, 20, 8, 7))
SECOND_US: Final = 1_000_000
MINUTE_US: Final = 60 * SECOND_US
_BURST_SPREAD: Final = 5  # a burst has one to five orders more than the threshold
_BURST_SPAN_US: Final = 20 * SECOND_US
_REDRAWS: Final = 20


class OrderGenerator:
    """Draws amount and quantity of an order; an ordinary one stays below every threshold."""

    __slots__ = ("_bulk", "_catalogue", "_high_cents", "_kinds", "_quantities", "_rng")

    def __init__(
        self, settings: GeneratorSettings, anomaly: AnomalySettings, catalogue: Catalogue, rng: Random
    ) -> None:
        self._rng = rng
        self._catalogue = catalogue
        self._high_cents = int(anomaly.high_value * 100)
        self._bulk = anomaly.unusual_quantity
        self._quantities = Weighted(QUANTITIES[: max(1, self._bulk - 1)])
        high, bulk = settings.high_value_share, settings.unusual_quantity_share
        self._kinds = Weighted((1.0 - high - bulk, high, bulk))

    def quantity(self) -> int:
        """Returns the number of items of an ordinary order, mostly 1 to 3."""
        return self._quantities.draw(self._rng.random()) + 1

    def payment_method(self) -> str:
        """Returns a payment method."""
        return _PAYMENT_METHODS[_PAYMENT_WEIGHTS.draw(self._rng.random())]

    def kind(self) -> str:
        """Returns "" for an ordinary order, else the type of its anomaly."""
        return ("", HIGH_VALUE, UNUSUAL_QUANTITY)[self._kinds.draw(self._rng.random())]

    def bulk_quantity(self) -> int:
        """Returns a quantity at or above the threshold."""
        return self._bulk + int(self._rng.expovariate(0.2))

    def terms(self, product: int, quantity: int, kind: str) -> dict[str, Any]:
        """Returns the amount in cents and the quantity of an order of this kind.

        A bulk order gets a discount where its list price would exceed the high-value limit.
        """
        cents = self._catalogue.price_cents[product] * quantity
        if kind == HIGH_VALUE:
            cents = int(self._high_cents * (1.0 + 0.02 + self._rng.expovariate(1.0)))
        elif kind == UNUSUAL_QUANTITY:
            cents = min(cents, self._high_cents)
        return {"total_amount": cents, "quantity": quantity}


class Visit:
    """The steps of one session; every event has its session id, customer and country."""

    __slots__ = ("_country", "_faults", "_ids", "_late_us", "_session", "_shop", "_user", "clock_us", "events")

    def __init__(self, shop: Shop, ids: Ids, faults: FaultInjector, user: int, start_us: int, late_us: int) -> None:
        """Starts a visit; `late_us` is the delay between its events' timestamps and their sending."""
        self._shop = shop
        self._ids = ids
        self._faults = faults
        self._user = f"user{user + 1}"
        self._country = shop.countries[shop.population.country_of[user]]
        self._session = ids.session()
        self._late_us = late_us
        self.clock_us = start_us
        self.events: list[PlannedEvent] = []

    def view(self, product: int) -> None:
        """Views a product."""
        fields = {"event_id": self._ids.event(), **self._common(product)}
        self._add(PRODUCT_VIEWS, fields)

    def cart(self, action: str, product: int, quantity: int) -> None:
        """Adds a product to the cart, removes it, or checks out."""
        fields = {"event_id": self._ids.event(), **self._common(product)}
        fields["action"] = action
        fields["quantity"] = quantity
        self._add(CART_EVENTS, fields)

    def order(self, orders: OrderGenerator, product: int, quantity: int, kind: str, marks: tuple[str, ...]) -> None:
        """Orders a product. An order with an intended anomaly has no fault, so that the anomaly is detected."""
        fields = {"transaction_id": self._ids.order(), **self._common(product)}
        fields.update(orders.terms(product, quantity, kind))
        fields["payment_method"] = orders.payment_method()
        self._add(TRANSACTIONS, fields, marks)

    def _common(self, product: int) -> dict[str, Any]:
        catalogue = self._shop.catalogue
        return {
            "user_id": self._user,
            "session_id": self._session,
            "product_id": f"product{product + 1}",
            "category": catalogue.categories[catalogue.category_of[product]],
            "country": self._country,
        }

    def _add(self, topic: str, fields: dict[str, Any], marks: tuple[str, ...] = ()) -> None:
        event = PlannedEvent(self.clock_us, topic, self._user, fields, self._late_us, Fault.NONE, marks)
        if not marks:
            self._faults.inject(event)
        if self._late_us:
            event.marks = (*event.marks, "late")
        self.events.append(event)


def mean_burst_size(rapid_limit: int) -> float:
    """Returns the mean number of orders of a burst that exceeds the threshold."""
    return rapid_limit + (_BURST_SPREAD + 1) / 2


class Sessions:
    """Plans one session at a time; `think_us` is the mean pause between two steps."""

    def __init__(
        self,
        shop: Shop,
        mix: SessionMix,
        orders: OrderGenerator,
        faults: FaultInjector,
        ids: Ids,
        rng: Random,
        think_us: float,
        rapid_limit: int,
    ) -> None:
        self._shop = shop
        self._mix = mix
        self._kinds = mix.kinds()
        self._orders = orders
        self._faults = faults
        self._ids = ids
        self._rng = rng
        self._think_us = think_us
        self._rapid = rapid_limit
        self._gap_us = _gap_us(mix, len(shop.population.joined), rapid_limit)
        self._free_at_us = array("q", [0]) * len(shop.population.country_of)
        self._sampler = LowDiscrepancySampler(rng.random())

    def plan(self, start_us: int, fraction: float, warming_up: bool) -> list[PlannedEvent]:
        """Returns the events of a session that begins now, at a fraction of the history.

        While warming up there are no bursts: a part of a burst might not exceed the threshold.
        """
        kind = SessionKind(self._kinds.draw(self._sampler.draw()))
        if kind is SessionKind.BURST:
            return [] if warming_up else self._burst(start_us, fraction)
        buys = kind in (SessionKind.CART_BUY, SessionKind.DIRECT_BUY)
        user = (self._buyer if buys else self._visitor)(start_us, fraction)
        late_us = self._faults.lateness_us()
        visit = Visit(self._shop, self._ids, self._faults, user, start_us, late_us)
        product = self._view_products(visit, kind, self._shop.population.country_of[user])
        if kind is SessionKind.CART_BUY:
            self._buy_from_cart(visit, product)
        elif kind is SessionKind.DIRECT_BUY:
            kind_of_order, quantity = self._choose_order()
            self._pay(visit, product, quantity, kind_of_order)
        elif kind is SessionKind.CART_LEAVE:
            self._leave_cart(visit, product)
        return visit.events

    def _view_products(self, visit: Visit, kind: SessionKind, country: int) -> int:
        """Views some products; returns the last one, which is bought if any is."""
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
        quantity = self._orders.quantity()
        visit.cart("add", product, quantity)
        self._think(visit)
        if self._rng.random() < EXTRA_ITEM_SHARE:
            visit.cart("add", self._neighbour(product), 1)
            self._think(visit)
        if self._rng.random() < REMOVE_SHARE:
            visit.cart("remove", product, quantity)

    def _choose_order(self) -> tuple[str, int]:
        kind = self._orders.kind()
        bulk = kind == UNUSUAL_QUANTITY
        return kind, self._orders.bulk_quantity() if bulk else self._orders.quantity()

    def _pay(self, visit: Visit, product: int, quantity: int, kind: str) -> None:
        visit.order(self._orders, product, quantity, kind, (kind,) if kind else ())

    def _burst(self, start_us: int, fraction: float) -> list[PlannedEvent]:
        """Returns orders of one customer within a minute; those above the threshold are marked."""
        user = self._quiet_user(start_us, fraction)
        visit = Visit(self._shop, self._ids, self._faults, user, start_us, 0)
        size = self._rapid + 1 + int(self._rng.random() * _BURST_SPREAD)
        country = self._shop.population.country_of[user]
        for number in range(1, size + 1):
            product = self._shop.draw_product(self._rng, country)
            beyond = (RAPID_TRANSACTIONS,) if number > self._rapid else ()
            visit.order(self._orders, product, self._orders.quantity(), "", ("rapid_burst_order", *beyond))
            visit.clock_us += int(_BURST_SPAN_US / size * (0.2 + 0.8 * self._rng.random()))
        self._free_at_us[user] = visit.clock_us + MINUTE_US
        return visit.events

    def _neighbour(self, product: int) -> int:
        category = self._shop.catalogue.category_of[product]
        return self._shop.catalogue.draw(category, self._rng.random())

    def _visitor(self, start_us: int, fraction: float) -> int:
        return self._shop.population.draw(self._rng, fraction)

    def _buyer(self, start_us: int, fraction: float) -> int:
        """Draws a customer without a recent order: ordinary orders must not resemble a burst."""
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
        """Draws any customer without an order for two minutes, whatever the activity."""
        population = self._shop.population
        for _ in range(_REDRAWS):
            user = int(self._rng.random() * len(population.joined))
            quiet = self._free_at_us[user] <= start_us - 2 * MINUTE_US
            if quiet and population.is_active(user, fraction):
                break
        return user

    def _think(self, visit: Visit) -> None:
        visit.clock_us += 1 + int(self._rng.expovariate(1.0) * self._think_us)


def _gap_us(mix: SessionMix, users: int, rapid_limit: int) -> int:
    """Returns the pause of a customer after an order, long enough that no burst arises.

    It is shorter if there are too few customers for the rate: at most a quarter of them may pause, and then orders do
    come rapidly.
    """
    orders = mix.per_second[SessionKind.CART_BUY] + mix.per_second[SessionKind.DIRECT_BUY]
    spared = 0.25 * users / orders * SECOND_US if orders else MINUTE_US
    return int(min(2 * MINUTE_US / rapid_limit, spared))
