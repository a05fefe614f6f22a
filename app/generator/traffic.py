"""The traffic of the shop as one stream of records, ordered by the time they are sent.

Pure: no clock, no I/O, one seeded random generator. The same settings, seed and start give the
same bytes in the same order.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from heapq import heappop, heappush
from random import Random
from typing import Final

from app.generator.daycurve import DayCurve
from app.generator.draft import Draft, Fault, Trouble
from app.generator.ids import Ids
from app.generator.machines import Machines
from app.generator.mix import Rates, SessionMix, solve_mix
from app.generator.orders import OrderDesk
from app.generator.record import Record
from app.generator.sessions import Sessions, mean_burst_size
from app.generator.tally import Tally
from app.generator.world import World
from app.generator.writer import Writer
from app.settings import AnomalySettings, GeneratorSettings, StreamSettings

_NEVER_US: Final = 1 << 62
_OPEN_SESSIONS: Final = 20_000  # beyond it people think faster, or a start would take minutes
_REPEAT_AFTER_US: Final = 10_000_000


@dataclass(frozen=True, slots=True)
class Plan:
    """One run: rates per second, start, and end of the history (None for live traffic)."""

    rates: Rates
    start_us: int
    end_us: int | None
    day_curve_depth: float
    run_id: str


class Traffic:
    """Hands out records in the order they are sent; `tally` counts them."""

    def __init__(
        self,
        world: World,
        plan: Plan,
        settings: GeneratorSettings,
        anomaly: AnomalySettings,
        stream: StreamSettings,
        rng: Random,
    ) -> None:
        self.tally = Tally()
        self._plan = plan
        self._rng = rng
        trouble = Trouble(settings, stream.allowed_lateness_seconds * 1_000_000, rng)
        self._writer = Writer(self.tally, stream.future_tolerance_seconds * 1_000_000, rng)
        self._machines = Machines(trouble, rng)
        rapid = anomaly.rapid_transactions
        burst_size = mean_burst_size(rapid)
        mix = solve_mix(plan.rates, settings.cart_conversion, settings.rapid_share, burst_size)
        self._curve = DayCurve(plan.day_curve_depth)
        self._think_us = _think_us(settings, mix)
        self._arrival_us = 1_000_000 / mix.rate if mix.rate else 0.0
        self._measure_us = 1_000_000 / plan.rates.system_metrics if plan.rates.system_metrics else 0
        self._heap: list[tuple[int, int, Draft, Record | None]] = []
        self._pushed = 0
        self._next_measure_us = plan.start_us if self._measure_us else _NEVER_US
        self._next_session_us = _NEVER_US
        if mix.rate:
            desk = OrderDesk(settings, anomaly, world.catalogue, rng)
            ids = Ids(plan.run_id)
            self._sessions = Sessions(world, mix, desk, trouble, ids, rng, self._think_us, rapid)
            self._warm_up(mix)

    def records(self, until_us: int, offset_us: int, record_us: int | None) -> Iterator[Record]:
        """Yield the records sent before `until_us`, a time of the simulation.

        `offset_us` is added to every time: it is how far the simulation lags behind the wall
        clock. Kafka timestamps are the times of sending, or `record_us` if given.
        """
        heap = self._heap
        while True:
            self._plan_ahead(until_us)
            if not heap or heap[0][0] >= until_us:
                return
            at_us, _, draft, record = heappop(heap)
            sent_us = at_us + offset_us
            stamp_us = sent_us if record_us is None else record_us
            if record is not None:
                yield self._writer.repeat(draft, record, stamp_us)
                continue
            written = self._writer.write(draft, sent_us, stamp_us)
            if draft.fault in (Fault.DUPLICATE, Fault.CONFLICTING):
                again_us = at_us + 1 + int(self._rng.expovariate(1.0) * _REPEAT_AFTER_US)
                self._push(again_us, draft, written)
            yield written

    @property
    def next_us(self) -> int:
        """Return the time of the simulation at which the next record is sent, at the earliest."""
        first_us = self._heap[0][0] if self._heap else _NEVER_US
        return min(first_us, self._next_session_us, self._next_measure_us)

    def _plan_ahead(self, until_us: int) -> None:
        """Plan sessions and measurements until the first draft of the heap is surely the next."""
        heap = self._heap
        while True:
            limit_us = min(until_us, heap[0][0]) if heap else until_us
            if self._next_session_us <= self._next_measure_us:
                if self._next_session_us > limit_us:
                    return
                self._begin_session()
            else:
                if self._next_measure_us > limit_us:
                    return
                self._measure()

    def _begin_session(self) -> None:
        start_us = self._next_session_us
        warming_up = start_us < self._plan.start_us
        for draft in self._sessions.plan(start_us, self._fraction(start_us), warming_up):
            if draft.at_us >= self._plan.start_us:
                self._push(draft.at_us, draft, None)
        self._next_session_us = self._after(start_us, self._arrival_us)

    def _measure(self) -> None:
        draft = self._machines.measure(self._next_measure_us)
        self._push(draft.at_us, draft, None)
        self._next_measure_us = self._after(self._next_measure_us, self._measure_us)

    def _after(self, at_us: int, mean_us: float) -> int:
        """Return the next arrival of a Poisson process along the day curve."""
        gap_us = self._rng.expovariate(1.0) * mean_us
        curve = self._curve
        return 1 + int(curve.clock_us(curve.operational_us(at_us) + gap_us))

    def _push(self, at_us: int, draft: Draft, record: Record | None) -> None:
        self._pushed += 1
        heappush(self._heap, (at_us, self._pushed, draft, record))

    def _fraction(self, at_us: int) -> float:
        """Return how far into the history a time is, 0 to 1; live traffic is at its end."""
        if self._plan.end_us is None:
            return 1.0
        passed = (at_us - self._plan.start_us) / (self._plan.end_us - self._plan.start_us)
        return min(1.0, max(0.0, passed))

    def _warm_up(self, mix: SessionMix) -> None:
        """Begin early enough that sessions of every age are under way: rates hold at once."""
        lead_us = int(self._think_us * (2.0 * mix.mean_steps + 6.0))
        self._next_session_us = self._plan.start_us - lead_us
        while self._next_session_us < self._plan.start_us:
            self._begin_session()


def _think_us(settings: GeneratorSettings, mix: SessionMix) -> float:
    if not mix.rate:
        return 0.0
    crowded = _OPEN_SESSIONS / (mix.rate * mix.mean_steps)
    return min(settings.think_seconds, crowded) * 1_000_000
