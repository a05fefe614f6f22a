"""One visit of a customer: it writes the drafts of its steps, one after the other."""

from typing import Any

from app.generator.draft import Draft, Fault, Trouble
from app.generator.ids import Ids
from app.generator.orders import OrderDesk
from app.generator.world import World
from app.topics import CART_EVENTS, PRODUCT_VIEWS, TRANSACTIONS


class Visit:
    """The steps of one session; every draft carries its session id, customer and country."""

    __slots__ = (
        "_country", "_ids", "_late_us", "_session", "_trouble", "_user", "_world",
        "clock_us", "drafts",
    )  # fmt: skip

    def __init__(
        self, world: World, ids: Ids, trouble: Trouble, user: int, start_us: int, late_us: int
    ) -> None:
        """Begin a visit; `late_us` is how much later than they happened its events are sent."""
        self._world = world
        self._ids = ids
        self._trouble = trouble
        self._user = f"user{user + 1}"
        self._country = world.countries[world.population.country_of[user]]
        self._session = ids.session()
        self._late_us = late_us
        self.clock_us = start_us
        self.drafts: list[Draft] = []

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

    def order(
        self, desk: OrderDesk, product: int, quantity: int, kind: str, marks: tuple[str, ...]
    ) -> None:
        """Pay. What is to raise an anomaly is spared from faults, so that it surely does."""
        fields = {"transaction_id": self._ids.order(), **self._common(product)}
        fields.update(desk.terms(product, quantity, kind))
        fields["payment_method"] = desk.payment_method()
        self._add(TRANSACTIONS, fields, marks)

    def _common(self, product: int) -> dict[str, Any]:
        catalogue = self._world.catalogue
        return {
            "user_id": self._user,
            "session_id": self._session,
            "product_id": f"product{product + 1}",
            "category": catalogue.categories[catalogue.category_of[product]],
            "country": self._country,
        }

    def _add(self, topic: str, fields: dict[str, Any], marks: tuple[str, ...] = ()) -> None:
        draft = Draft(self.clock_us, topic, self._user, fields, self._late_us, Fault.NONE, marks)
        if not marks:
            self._trouble.strike(draft)
        if self._late_us:
            draft.marks = (*draft.marks, "late")
        self.drafts.append(draft)
