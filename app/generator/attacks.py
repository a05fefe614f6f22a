"""Injects attacks and innocent look-alikes into traffic, each kind with an equal share of the injected orders."""

from random import Random
from typing import Final

from app.generator.arrivals import Arrivals, DayCurve
from app.generator.attacks_kinds import ATTACKS, LOOKALIKES
from app.generator.attacks_orders import Campaign, Market
from app.generator.attacks_truth import Truth
from app.generator.planned_event import PlannedEvent
from app.generator.record import Ids
from app.generator.shop import Shop, Weighted
from app.settings import GeneratorSettings

_WEEKDAYS: Final = 7


class Attacks:
    """Begins attacks and look-alikes at random times; `arrivals` says when the next one begins.

    Its random numbers are its own: the other traffic is the same with attacks and without, but for the ids of orders.
    """

    def __init__(
        self,
        shop: Shop,
        settings: GeneratorSettings,
        ids: Ids,
        curve: DayCurve,
        per_second: float,
        run: tuple[str, int],
    ) -> None:
        """`per_second` are the orders of the other traffic; a run has an id and a start in microseconds."""
        name, start_us = run
        rng = Random(f"attacks {name}")
        shares = ((ATTACKS, settings.attack_share), (LOOKALIKES, settings.lookalike_share))
        self._kinds = [kind for kinds, _ in shares for kind in kinds]
        rates = [
            per_second * share / len(kinds) / kind.orders * (1 if kind.weekday is None else _WEEKDAYS)
            for kinds, share in shares
            for kind in kinds
        ]
        total = sum(rates)
        self._weights = Weighted(rates if total else [1.0] * len(rates))
        self._market = Market(shop, ids, rng, settings.world_seed)
        self._rng = rng
        self._campaigns = 0
        self.arrivals = Arrivals(curve, rng, total, start_us)

    def plan(self, start_us: int, fraction: float) -> list[PlannedEvent]:
        """Returns the orders of what begins now, at a fraction of the history; nothing if it is not its day."""
        kind = self._kinds[self._weights.draw(self._rng.random())]
        if not kind.happens(start_us):
            return []
        self._campaigns += 1
        campaign = Campaign(self._market, Truth(kind.label, kind.name, self._campaigns), start_us, fraction)
        kind.plan(campaign)
        return campaign.events
