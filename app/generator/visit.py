"""One visit of a customer: it writes the events of its steps, one after the other."""

from typing import Any

from app.generator.ids import Ids
from app.generator.orders import OrderGenerator
from app.generator.planned_event import Fault, PlannedEvent, Trouble
from app.generator.shop import Shop
from app.topics import CART_EVENTS, PRODUCT_VIEWS, TRANSACTIONS


class Visit:
    """The steps of one session; every event carries its session id, customer and country."""

    __slots__ = ("_country", "_ids", "_late_us", "_session", "_shop", "_trouble", "_user", "clock_us", "events")

    def __init__(self, shop: Shop, ids: Ids, trouble: Trouble, user: int, start_us: int, late_us: int) -> None:
        """Begin a visit; `late_us` is how much later than they happened its events are sent."""
        self._shop = shop
        self._ids = ids
        self._trouble = trouble
        self._user = f"user{user + 1}"
        self._country = shop.countries[shop.population.country_of[user]]
        self._session = ids.session()
        self._late_us = late_us
        self.clock_us = start_us
        self.events: list[PlannedEvent] = []

    def view(self, product: int) -> None:
        """Look at a product."""
        fields = {"event_id": self._ids.event(), **self._common(product)}
        self._add(PRODUCT_VIEWS, fields)

    def cart(self, action: str, product: int, quantity: int) -> None:
        """Add a product to the cart, remove it, or check out."""
        fields = {"event_id": self._ids.event(), **self._common(product)}
        fields["action"] = action
        fields["quantity"] = quantity
        self._add(CART_EVENTS, fields)

    def order(self, desk: OrderGenerator, product: int, quantity: int, kind: str, marks: tuple[str, ...]) -> None:
        """Pay. What is to raise an anomaly is spared from faults, so that it surely does."""
        fields = {"transaction_id": self._ids.order(), **self._common(product)}
        fields.update(desk.terms(product, quantity, kind))
        fields["payment_method"] = desk.payment_method()
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
            self._trouble.strike(event)
        if self._late_us:
            event.marks = (*event.marks, "late")
        self.events.append(event)
