"""Assembles the parts of the model for one run."""

from random import Random
from typing import Final

from app.generator.arrivals import Arrivals
from app.generator.counts import Counts
from app.generator.daycurve import DayCurve
from app.generator.hosts import Hosts
from app.generator.ids import Ids
from app.generator.mix import SessionMix, solve_mix
from app.generator.orders import OrderGenerator
from app.generator.plan import Plan
from app.generator.planned_event import FaultInjector
from app.generator.sessions import Sessions, mean_burst_size
from app.generator.shop import Shop
from app.generator.traffic import Traffic
from app.generator.writer import Writer
from app.settings import AnomalySettings, GeneratorSettings, StreamSettings

_OPEN_SESSIONS: Final = 20_000  # with more, pauses are shortened: otherwise a start would take minutes
_REPEAT_AFTER_US: Final = 2_000_000


def build_traffic(
    shop: Shop, plan: Plan, settings: GeneratorSettings, anomaly: AnomalySettings, stream: StreamSettings
) -> Traffic:
    """Returns the traffic of a plan; the run id is the seed of its random numbers."""
    rng = Random(plan.run_id)
    counts = Counts()
    rapid = anomaly.rapid_transactions
    burst_size = mean_burst_size(rapid)
    mix = solve_mix(plan.rates, settings.cart_conversion, settings.rapid_share, burst_size)
    pace = _pace(settings, mix)
    think_us = settings.think_seconds * pace * 1_000_000
    faults = FaultInjector(settings, stream.allowed_lateness_seconds * 1_000_000, pace, rng)
    orders = OrderGenerator(settings, anomaly, shop.catalogue, rng)
    ids = Ids(plan.run_id)
    sessions = Sessions(shop, mix, orders, faults, ids, rng, think_us, rapid)
    curve = DayCurve(plan.day_curve_depth)
    visits = Arrivals(curve, rng, mix.rate, plan.start_us - _lead_us(think_us, mix))
    measurements = Arrivals(curve, rng, plan.rates.system_metrics, plan.start_us)
    hosts = Hosts(faults, rng)
    writer = Writer(counts, stream.future_tolerance_seconds * 1_000_000, rng)
    repeat_after_us = _REPEAT_AFTER_US * pace
    return Traffic(plan, writer, sessions, visits, hosts, measurements, counts, repeat_after_us, rng)


def _pace(settings: GeneratorSettings, mix: SessionMix) -> float:
    """Returns 1, or a smaller factor for the pauses, so that not too many sessions are open at once."""
    wanted = mix.rate * mix.mean_steps * settings.think_seconds
    return min(1.0, _OPEN_SESSIONS / wanted) if wanted else 1.0


def _lead_us(think_us: float, mix: SessionMix) -> int:
    """Returns how long before the start sessions begin: longer than nearly every session lasts."""
    return int(think_us * (2.0 * mix.mean_steps + 6.0))
