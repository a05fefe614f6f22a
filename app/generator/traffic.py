"""The traffic of the shop as one stream of records, ordered by send time.

Pure: no clock, no I/O, one seeded random generator. The same settings, seed and start give the same bytes in the same
order.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from heapq import heappop, heappush
from random import Random
from typing import Final

from app.generator.arrivals import NEVER_US, Arrivals, DayCurve
from app.generator.attacks import Attacks
from app.generator.attacks_truth import OnInjected
from app.generator.mix import Rates, solve_mix
from app.generator.planned_event import Fault, FaultInjector, Hosts, PlannedEvent
from app.generator.record import Counts, Ids, Record
from app.generator.sessions import Sessions, mean_burst_size
from app.generator.shop import Shop
from app.generator.writer import Writer
from app.settings import AnomalySettings, GeneratorSettings, StreamSettings

_OPEN_SESSIONS: Final = 20_000  # with more, pauses are shortened: otherwise a start would take minutes
_REPEAT_AFTER_US: Final = 2_000_000


@dataclass(frozen=True, slots=True)
class Plan:
    """Rates per second, start, and end of the history in microseconds (None for live traffic)."""

    rates: Rates
    start_us: int
    end_us: int | None
    day_curve_depth: float
    run_id: str

    def fraction(self, at_us: int) -> float:
        """Returns the position of a time in the history, from 0 to 1; 1 for live traffic."""
        if self.end_us is None:
            return 1.0
        passed = (at_us - self.start_us) / (self.end_us - self.start_us)
        return min(1.0, max(0.0, passed))


class Traffic:
    """Yields records in the order they are sent; `counts` counts them.

    Sessions begin before the start, by more than nearly every session lasts, and earlier records are dropped: so
    sessions are in progress at the start, and the rates hold from the first second.
    """

    def __init__(
        self,
        shop: Shop,
        plan: Plan,
        settings: GeneratorSettings,
        anomaly: AnomalySettings,
        stream: StreamSettings,
        on_injected: OnInjected | None = None,
    ) -> None:
        """The run id is the seed of the random numbers.

        With `on_injected` there are attacks, and it is called with their orders.
        """
        rng = self._rng = Random(plan.run_id)
        burst_size = mean_burst_size(anomaly.rapid_transactions)
        mix = solve_mix(plan.rates, settings.cart_conversion, settings.rapid_share, burst_size)
        open_sessions = mix.rate * mix.mean_steps * settings.think_seconds
        pace = min(1.0, _OPEN_SESSIONS / open_sessions) if open_sessions else 1.0
        think_us = settings.think_seconds * pace * 1_000_000
        lead_us = int(think_us * (2.0 * mix.mean_steps + 6.0))
        faults = FaultInjector(settings, stream.allowed_lateness_seconds * 1_000_000, pace, rng)
        curve = DayCurve(plan.day_curve_depth)
        self.counts = Counts()
        self._plan = plan
        ids = Ids(plan.run_id)
        self._sessions = Sessions(shop, mix, faults, ids, rng, think_us, settings, anomaly)
        self._visits = Arrivals(curve, rng, mix.rate, plan.start_us - lead_us)
        self._hosts = Hosts(faults, rng)
        self._measurements = Arrivals(curve, rng, plan.rates.system_metrics, plan.start_us)
        orders = plan.rates.transactions if on_injected is not None else 0.0
        self._attacks = Attacks(shop, settings, ids, curve, orders, (plan.run_id, plan.start_us))
        self._on_injected = on_injected
        self._writer = Writer(self.counts, stream.future_tolerance_seconds * 1_000_000, rng)
        self._repeat_after_us = _REPEAT_AFTER_US * pace
        #: Time in microseconds, sequence number, event, and the record to repeat if it was sent before.
        self._queue: list[tuple[int, int, PlannedEvent, Record | None]] = []
        self._pushed = 0
        self._plan_ahead(plan.start_us)

    def records(self, until_us: int, offset_us: int, record_us: int | None) -> Iterator[Record]:
        """Yields the records sent before `until_us`, a time of the simulation.

        `offset_us`, the simulation's lag behind the wall clock, is added to every time. Kafka timestamps are the send
        times, or `record_us` if given.
        """
        queue = self._queue
        while True:
            self._plan_ahead(until_us)
            if not queue or queue[0][0] >= until_us:
                return
            at_us, _, event, sent_before = heappop(queue)
            sent_us = at_us + offset_us
            stamp_us = sent_us if record_us is None else record_us
            if sent_before is not None:
                yield self._writer.repeat(event, sent_before, stamp_us)
                continue
            record = self._writer.write(event, sent_us, stamp_us)
            if event.truth is not None and self._on_injected is not None:
                self._on_injected(event.fields["transaction_id"], event.fields["timestamp"], event.truth)
            if event.fault is Fault.DUPLICATE or event.fault is Fault.CONFLICTING:
                pause_us = self._rng.expovariate(1.0) * self._repeat_after_us
                self._push(at_us + 1 + int(pause_us), event, record)
            yield record

    @property
    def next_us(self) -> int:
        """Lower bound of the next record's send time, in the simulation."""
        first_us = self._queue[0][0] if self._queue else NEVER_US
        begins_us = min(self._visits.next_us, self._measurements.next_us, self._attacks.arrivals.next_us)
        return max(self._plan.start_us, min(first_us, begins_us))

    def _plan_ahead(self, until_us: int) -> None:
        """Plans sessions and measurements until no later one can be sent before the first event."""
        queue, visits, measurements, attacks = self._queue, self._visits, self._measurements, self._attacks.arrivals
        while True:
            # Runs once per record: comparisons cost half as much as min().
            limit_us = queue[0][0] if queue and queue[0][0] < until_us else until_us
            visit_us, measured_us, attack_us = visits.next_us, measurements.next_us, attacks.next_us
            if visit_us > limit_us and measured_us > limit_us and attack_us > limit_us:
                return
            if attack_us < visit_us and attack_us < measured_us:
                for event in self._attacks.plan(attack_us, self._plan.fraction(attack_us)):
                    self._push(event.at_us, event, None)
                attacks.advance()
            elif visit_us <= measured_us:
                self._begin_session(visit_us)
                visits.advance()
            else:
                event = self._hosts.measure(measured_us)
                self._push(event.at_us, event, None)
                measurements.advance()

    def _begin_session(self, start_us: int) -> None:
        begin_us = self._plan.start_us
        for event in self._sessions.plan(start_us, self._plan.fraction(start_us), start_us < begin_us):
            if event.at_us >= begin_us:
                self._push(event.at_us, event, None)

    def _push(self, at_us: int, event: PlannedEvent, sent_before: Record | None) -> None:
        self._pushed += 1
        heappush(self._queue, (at_us, self._pushed, event, sent_before))
