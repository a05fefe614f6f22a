"""Start times of sessions and measurements: Poisson processes along the day curve."""

from random import Random
from typing import Final

from app.generator.daycurve import DayCurve

NEVER_US: Final = 1 << 62


class Arrivals:
    """Successive times of a Poisson process; `next_us` is the next one, in microseconds."""

    __slots__ = ("_curve", "_mean_us", "_rng", "next_us")

    def __init__(self, curve: DayCurve, rng: Random, per_second: float, start_us: int) -> None:
        """Starts with an arrival at `start_us`; with a rate of 0 there is none."""
        self._curve = curve
        self._rng = rng
        self._mean_us = 1_000_000 / per_second if per_second else 0.0
        self.next_us = start_us if per_second else NEVER_US

    def advance(self) -> None:
        """Moves on to the next arrival."""
        gap_us = self._rng.expovariate(1.0) * self._mean_us
        curve = self._curve
        self.next_us = 1 + int(curve.clock_us(curve.operational_us(self.next_us) + gap_us))
