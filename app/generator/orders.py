"""Orders: amounts and quantities, ordinary or anomalous on purpose."""

from random import Random
from typing import Any, Final

from app.domain.anomalies import HIGH_VALUE, UNUSUAL_QUANTITY
from app.generator.catalogue import Catalogue
from app.generator.shop import QUANTITIES
from app.generator.weighted import Weighted
from app.settings import AnomalySettings, GeneratorSettings

_PAYMENT_METHODS: Final = ("credit_card", "debit_card", "paypal", "apple_pay", "bank_transfer")
_PAYMENT_WEIGHTS: Final = Weighted((45, 20, 20, 8, 7))


class OrderGenerator:
    """Draws what an order costs; an ordinary one stays below every threshold."""

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
        """Return the number of items of an ordinary order, mostly 1 to 3."""
        return self._quantities.draw(self._rng.random()) + 1

    def payment_method(self) -> str:
        """Return how an order is paid."""
        return _PAYMENT_METHODS[_PAYMENT_WEIGHTS.draw(self._rng.random())]

    def kind(self) -> str:
        """Return "" for an ordinary order, else the name of the anomaly it is to raise."""
        return ("", HIGH_VALUE, UNUSUAL_QUANTITY)[self._kinds.draw(self._rng.random())]

    def bulk_quantity(self) -> int:
        """Return a quantity at or above the threshold."""
        return self._bulk + int(self._rng.expovariate(0.2))

    def terms(self, product: int, quantity: int, kind: str) -> dict[str, Any]:
        """Return the amount in cents and the quantity of an order of this kind.

        A bulk order gets a discount where its list price would exceed the high-value limit.
        """
        cents = self._catalogue.price_cents[product] * quantity
        if kind == HIGH_VALUE:
            cents = int(self._high_cents * (1.0 + 0.02 + self._rng.expovariate(1.0)))
        elif kind == UNUSUAL_QUANTITY:
            cents = min(cents, self._high_cents)
        return {"total_amount": cents, "quantity": quantity}
