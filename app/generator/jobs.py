"""The three things a generator can be asked for: live traffic, a history, orders from a file."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Protocol

from app.errors import GlobalMartError
from app.generator.attacks_truth import OnInjected
from app.generator.csv_report import ImportReport
from app.generator.csv_spool import CsvSource
from app.generator.mix import Rates
from app.generator.playback import FOREVER_US, Source
from app.generator.record import Counts, run_id
from app.generator.shop import build_shop
from app.generator.traffic import Plan, Traffic
from app.settings import Settings

_FLAT_OUT_RATE: Final = 50_000.0  # more than is reached: the pace is set by the machine
_DAY_SECONDS: Final = 86_400.0


class JobError(GlobalMartError):
    """What was asked for contradicts itself."""


class CountedSource(Source, Protocol):
    """A source that counts what it hands out."""

    counts: Counts


@dataclass(frozen=True, slots=True)
class Imported:
    """Orders of a file on their way, and what the file holds."""

    report: ImportReport
    source: CsvSource

    @property
    def missing(self) -> int:
        """Orders of the file that were not sent."""
        return self.report.orders - self.source.sent


@dataclass(frozen=True, slots=True)
class Job:
    """A source and the way to play it; times in microseconds, `speed` None means flat out.

    `follow_wall` moves event times along with the wall clock, `record_now` stamps records with
    the time they are sent instead of the time of their event. `imported` is there for orders of a file.
    """

    mode: str
    run_id: str
    source: CountedSource
    start_us: int
    end_us: int
    speed: float | None
    follow_wall: bool
    record_now: bool
    imported: Imported | None = None


def configured_rates(settings: Settings, factor: float) -> Rates:
    """Return the set rates times a factor."""
    generator = settings.generator
    return Rates(
        generator.transaction_rate, generator.product_view_rate, generator.cart_event_rate, generator.system_metric_rate
    ).scaled(factor)


def live_job(
    settings: Settings,
    rates: Rates,
    start_us: int,
    *,
    flat_out: bool,
    day_curve: bool,
    on_injected: OnInjected | None = None,
) -> Job:
    """Return traffic as of now; flat out it plays at a rate no machine keeps up with.

    With `on_injected`, here as in the other jobs, there are attacks, and it is called with their orders.
    """
    if rates.total <= 0:
        raise JobError("every rate is 0: nothing to send; raise a rate or --rate")
    if flat_out:
        rates = rates.scaled(max(1.0, _FLAT_OUT_RATE / rates.total))
    depth = settings.generator.day_curve_depth if day_curve else 0.0
    name = _name(settings, "live", start_us, rates)
    traffic = _traffic(settings, Plan(rates, start_us, None, depth, name), on_injected)
    speed = None if flat_out else 1.0
    return Job("live", name, traffic, start_us, FOREVER_US, speed, True, True)


def simulated_job(
    settings: Settings,
    rates: Rates,
    start_us: int,
    seconds: float | None,
    *,
    record_now: bool,
    on_injected: OnInjected | None = None,
) -> Job:
    """Return live traffic as it would be from a fixed time on, played flat out in its own time."""
    if rates.total <= 0:
        raise JobError("every rate is 0: nothing to send; raise a rate or --rate")
    end_us = FOREVER_US if seconds is None else start_us + int(seconds * 1_000_000)
    name = _name(settings, "simulated", start_us, rates)
    traffic = _traffic(settings, Plan(rates, start_us, None, 0.0, name), on_injected)
    return Job("simulated", name, traffic, start_us, end_us, None, False, record_now)


def backfill_job(
    settings: Settings, length: timedelta, end_us: int, *, record_now: bool, on_injected: OnInjected | None = None
) -> Job:
    """Return a history up to an end, with the other topics in proportion to the orders."""
    rates = configured_rates(settings, 1.0)
    if rates.transactions <= 0:
        raise JobError("a history is sized by its orders: TRANSACTION_RATE must be above 0")
    per_second = settings.generator.orders_per_day / _DAY_SECONDS
    rates = rates.scaled(per_second / rates.transactions)
    start_us = end_us - length // timedelta(microseconds=1)
    name = _name(settings, "backfill", start_us, end_us, rates)
    plan = Plan(rates, start_us, end_us, settings.generator.day_curve_depth, name)
    traffic = _traffic(settings, plan, on_injected)
    return Job("backfill", name, traffic, start_us, end_us, None, False, record_now)


def csv_job(imported: Imported, speed: float | None, *, record_now: bool) -> Job:
    """Return orders of a file, flat out or at a multiple of the pace they were made at."""
    report, source = imported.report, imported.source
    assert report.first_us is not None and report.last_us is not None, "a file without orders is refused"
    start_us, end_us = report.first_us, report.last_us + 1
    return Job("csv", "csv", source, start_us, end_us, speed, False, record_now, imported)


def _name(settings: Settings, *circumstances: object) -> str:
    shape = settings.generator.model_dump_json() + settings.anomaly.model_dump_json()
    return run_id(settings.generator.seed, shape, *circumstances)


def _traffic(settings: Settings, plan: Plan, on_injected: OnInjected | None) -> Traffic:
    shop = build_shop(settings.generator, settings.anomaly)
    return Traffic(shop, plan, settings.generator, settings.anomaly, settings.stream, on_injected)
