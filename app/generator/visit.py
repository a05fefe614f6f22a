"""One visit of a customer: creates the events of its steps."""

from typing import Any

from app.generator.ids import Ids
from app.generator.orders import OrderGenerator
from app.generator.planned_event import Fault, FaultInjector, PlannedEvent
from app.generator.shop import Shop
from app.topics import CART_EVENTS, PRODUCT_VIEWS, TRANSACTIONS


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
