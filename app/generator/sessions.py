"""Sessions: customers who view products, fill carts, buy or leave."""

import math
from array import array
from random import Random
from typing import Any, Final

from app.domain.anomalies import HIGH_VALUE, RAPID_TRANSACTIONS, UNUSUAL_QUANTITY
from app.domain.money import cents_of
from app.generator.fingerprints import Fingerprints
from app.generator.mix import (
    BROWSE_VIEWS,
    EXTRA_ITEM_SHARE,
    REMOVE_SHARE,
    LowDiscrepancySampler,
    SessionKind,
    SessionMix,
)
from app.generator.planned_event import FaultInjector, PlannedEvent
from app.generator.record import Ids
from app.generator.shop import QUANTITIES, Shop, Weighted
from app.settings import AnomalySettings, GeneratorSettings
from app.topics import CART_EVENTS, PRODUCT_VIEWS, TRANSACTIONS

SECOND_US: Final = 1_000_000
MINUTE_US: Final = 60 * SECOND_US
PAYMENT_METHODS: Final = ("credit_card", "debit_card", "paypal", "apple_pay", "bank_transfer")
PAYMENT_WEIGHTS: Final = Weighted((45, 20, 20, 8, 7))
_BURST_SPREAD: Final = 5  # a burst has one to five orders more than the threshold
_BURST_SPAN_US: Final = 20 * SECOND_US
_REDRAWS: Final = 20


def user_id(user: int) -> str:
    """Returns the id of a customer by number, from 0 on."""
    return f"user{user + 1}"


def mean_burst_size(rapid_limit: int) -> float:
    """Returns the mean number of orders of a burst that exceeds the threshold."""
    return rapid_limit + (_BURST_SPREAD + 1) / 2


class Visit:
    """The steps of one session; every event has its session id, customer and country."""

    __slots__ = ("clock_us", "country", "country_name", "events", "late_us", "session", "start_us", "user", "user_id")

    def __init__(self, user: int, country: int, country_name: str, session: str, start_us: int, late_us: int) -> None:
        """Starts a visit; `late_us` is the delay between its events' timestamps and their sending."""
        self.user = user
        self.user_id = user_id(user)
        self.country = country
        self.country_name = country_name
        self.session = session
        self.late_us = late_us
        self.start_us = self.clock_us = start_us
        self.events: list[PlannedEvent] = []


class Sessions:
    """Plans one session at a time; `think_us` is the mean pause between two steps.

    Ordinary orders stay below every threshold of an anomaly.
    """

    def __init__(
        self,
        shop: Shop,
        mix: SessionMix,
        faults: FaultInjector,
        ids: Ids,
        rng: Random,
        think_us: float,
        settings: GeneratorSettings,
        anomaly: AnomalySettings,
    ) -> None:
        self._shop, self._mix, self._faults, self._ids, self._rng = shop, mix, faults, ids, rng
        self._fingerprints = Fingerprints(settings.world_seed)
        self._think_us = think_us
        self._kinds = mix.kinds()
        self._rapid = anomaly.rapid_transactions
        self._high_cents = cents_of(anomaly.high_value)
        self._bulk = anomaly.unusual_quantity
        self._quantities = Weighted(QUANTITIES[: max(1, self._bulk - 1)])
        high, bulk = settings.high_value_share, settings.unusual_quantity_share
        self._order_kinds = Weighted((1.0 - high - bulk, high, bulk))
        self._gap_us = _gap_us(mix, len(shop.joined), self._rapid)
        self._free_at_us = array("q", [0]) * len(shop.joined)
        self._sampler = LowDiscrepancySampler(rng.random())

    def plan(self, start_us: int, fraction: float, warming_up: bool) -> list[PlannedEvent]:
        """Returns the events of a session that begins now, at a fraction of the history.

        While warming up there are no bursts: a part of a burst might not exceed the threshold.
        """
        kind = SessionKind(self._kinds.draw(self._sampler.draw()))
        if kind is SessionKind.BURST:
            return [] if warming_up else self._burst(start_us, fraction)
        buys = kind in (SessionKind.CART_BUY, SessionKind.DIRECT_BUY)
        user = self._buyer(start_us, fraction) if buys else self._shop.draw_customer(self._rng, fraction)
        visit = self._visit(user, start_us, self._faults.lateness_us())
        product = self._view_products(visit, kind)
        if kind is SessionKind.CART_BUY:
            self._buy_from_cart(visit, product)
        elif kind is SessionKind.DIRECT_BUY:
            self._pay(visit, product, *self._choose_order())
        elif kind is SessionKind.CART_LEAVE:
            self._leave_cart(visit, product)
        return visit.events

    def _visit(self, user: int, start_us: int, late_us: int) -> Visit:
        country = self._shop.country_of[user]
        return Visit(user, country, self._shop.countries[country], self._ids.session(), start_us, late_us)

    def _view_products(self, visit: Visit, kind: SessionKind) -> int:
        """Views some products; returns the last one, which is bought if any is."""
        product = self._shop.draw_product(self._rng, visit.country)
        for _ in range(self._views(kind)):
            product = self._shop.draw_product(self._rng, visit.country)
            self._add(visit, PRODUCT_VIEWS, product, {"event_id": self._ids.event()})
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
        self._cart(visit, "add", product, quantity)
        if self._rng.random() < EXTRA_ITEM_SHARE:
            extra = self._neighbour(product)
            self._cart(visit, "add", extra, 1)
            self._cart(visit, "remove", extra, 1)
        self._cart(visit, "checkout", product, quantity, pause=False)
        visit.clock_us += int(SECOND_US * (0.3 + 2.0 * self._rng.random()))
        self._pay(visit, product, kind, quantity)

    def _leave_cart(self, visit: Visit, product: int) -> None:
        quantity = self._quantity()
        self._cart(visit, "add", product, quantity)
        if self._rng.random() < EXTRA_ITEM_SHARE:
            self._cart(visit, "add", self._neighbour(product), 1)
        if self._rng.random() < REMOVE_SHARE:
            self._cart(visit, "remove", product, quantity)

    def _cart(self, visit: Visit, action: str, product: int, quantity: int, *, pause: bool = True) -> None:
        """Adds a product to the cart, removes it, or checks out; a pause to think follows."""
        fields = {"event_id": self._ids.event(), "action": action, "quantity": quantity}
        self._add(visit, CART_EVENTS, product, fields)
        if pause:
            self._think(visit)

    def _quantity(self) -> int:
        """Returns the number of items of an ordinary order, mostly 1 to 3."""
        return self._quantities.draw(self._rng.random()) + 1

    def _choose_order(self) -> tuple[str, int]:
        """Returns the type of the order's anomaly, "" for an ordinary one, and its quantity."""
        kind = ("", HIGH_VALUE, UNUSUAL_QUANTITY)[self._order_kinds.draw(self._rng.random())]
        bulk = kind == UNUSUAL_QUANTITY
        return kind, self._bulk + int(self._rng.expovariate(0.2)) if bulk else self._quantity()

    def _pay(self, visit: Visit, product: int, kind: str, quantity: int, marks: tuple[str, ...] = ()) -> None:
        """Orders a product; a bulk order gets a discount where its list price would exceed the high-value limit."""
        cents = self._shop.price_cents[product] * quantity
        if kind == HIGH_VALUE:
            cents = int(self._high_cents * (1.0 + 0.02 + self._rng.expovariate(1.0)))
        elif kind == UNUSUAL_QUANTITY:
            cents = min(cents, self._high_cents)
        method = PAYMENT_METHODS[PAYMENT_WEIGHTS.draw(self._rng.random())]
        order_id = self._ids.order()
        owner, card, device, ip = self._fingerprints.usual(visit.user, visit.start_us)
        # One literal of all fields: a dictionary that grows would be copied several times.
        fields = {
            "transaction_id": order_id,
            "total_amount": cents,
            "quantity": quantity,
            "payment_method": method,
            "card": card,
            "device": device,
            "ip": ip,
            "email": owner,
            "user_id": visit.user_id,
            "session_id": visit.session,
            "product_id": f"product{product + 1}",
            "category": self._shop.categories[self._shop.category_of[product]],
            "country": visit.country_name,
            "timestamp": None,
        }
        self._send(visit, TRANSACTIONS, fields, (kind,) if kind else marks)

    def _add(self, visit: Visit, topic: str, product: int, fields: dict[str, Any]) -> None:
        """Adds a view or a cart event."""
        shop = self._shop
        fields["user_id"] = visit.user_id
        fields["session_id"] = visit.session
        fields["product_id"] = f"product{product + 1}"
        fields["category"] = shop.categories[shop.category_of[product]]
        fields["country"] = visit.country_name
        self._send(visit, topic, fields, ())

    def _send(self, visit: Visit, topic: str, fields: dict[str, Any], marks: tuple[str, ...]) -> None:
        """Plans an event. One with an intended anomaly has no fault, so that the anomaly is detected."""
        event = PlannedEvent(visit.clock_us, topic, visit.user_id, fields, visit.late_us, marks=marks)
        visit.events.append(event if marks else self._faults.inject(event))
        if visit.late_us:
            event.marks = (*event.marks, "late")

    def _burst(self, start_us: int, fraction: float) -> list[PlannedEvent]:
        """Returns orders of one customer within a minute; those above the threshold are marked."""
        user = self._quiet_user(start_us, fraction)
        visit = self._visit(user, start_us, 0)
        size = self._rapid + 1 + int(self._rng.random() * _BURST_SPREAD)
        for number in range(1, size + 1):
            product = self._shop.draw_product(self._rng, visit.country)
            beyond = (RAPID_TRANSACTIONS,) if number > self._rapid else ()
            self._pay(visit, product, "", self._quantity(), ("rapid_burst_order", *beyond))
            visit.clock_us += int(_BURST_SPAN_US / size * (0.2 + 0.8 * self._rng.random()))
        self._free_at_us[user] = visit.clock_us + MINUTE_US
        return visit.events

    def _neighbour(self, product: int) -> int:
        return self._shop.draw_of_category(self._rng, self._shop.category_of[product])

    def _buyer(self, start_us: int, fraction: float) -> int:
        """Draws a customer without a recent order: ordinary orders must not resemble a burst.

        The last of several drawn is taken if none fits.
        """
        draw, rng, free_at_us = self._shop.draw_customer, self._rng, self._free_at_us
        for _ in range(_REDRAWS):
            if free_at_us[user := draw(rng, fraction)] <= start_us:
                break
        free_at_us[user] = max(free_at_us[user], start_us) + self._gap_us
        return user

    def _quiet_user(self, start_us: int, fraction: float) -> int:
        """Draws any customer without an order for two minutes, whatever the activity."""
        quiet_us = start_us - 2 * MINUTE_US
        for _ in range(_REDRAWS):
            user = int(self._rng.random() * len(self._free_at_us))
            if self._free_at_us[user] <= quiet_us and self._shop.is_active(user, fraction):
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
