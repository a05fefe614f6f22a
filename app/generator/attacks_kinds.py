"""The six attacks, and four kinds of innocent orders that resemble them.

Numbers of orders, pauses and amounts are drawn, so that attacks of a kind differ. Attackers order without looking at
products first.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from app.generator.arrivals import DAY_US
from app.generator.attacks_orders import Campaign
from app.generator.attacks_truth import FRAUD, LEGITIMATE

_MINUTE: Final = 60.0
_HOUR: Final = 3600.0
_SALE_WEEKDAY: Final = 1  # days since 1970, a Thursday: every Friday
_DAYS: Final = 7
_VOUCHER: Final = "voucher"


class Kind(NamedTuple):
    """An attack or look-alike: `orders` is the mean number of orders of one, on `weekday` only unless that is None."""

    name: str
    label: str
    orders: float
    plan: Callable[[Campaign], None]
    weekday: int | None = None

    def happens(self, at_us: int) -> bool:
        """Whether it may begin at a time."""
        return self.weekday is None or at_us // DAY_US % _DAYS == self.weekday


def _velocity_burst(campaign: Campaign) -> None:
    """A program orders with a stolen account, every few seconds."""
    market = campaign.market
    victim = market.customer(campaign.fraction)
    thief = victim._replace(device=market.fingerprints.device(victim.account, market.foreign()))
    pause = 2.0 + 18.0 * campaign.rng.random()
    for _ in range(campaign.between(8, 24)):
        campaign.order(thief, quantity=campaign.between(1, 3))
        campaign.wait(1.0, pause)


def _impossible_travel(campaign: Campaign) -> None:
    """A sold account is used in several countries within an hour or two."""
    market = campaign.market
    victim = buyer = market.customer(campaign.fraction)
    for _ in range(campaign.between(4, 8)):
        buyer = market.abroad(victim, buyer.country)
        campaign.order(buyer, cents=campaign.cents(40.0, 400.0))
        campaign.wait(2 * _MINUTE, 8 * _MINUTE)


def _card_testing(campaign: Campaign) -> None:
    """Stolen cards are tried with small amounts; those that work buy something large."""
    market = campaign.market
    tester = market.newcomer() if campaign.rng.random() < 0.5 else market.customer(campaign.fraction)
    tester = tester._replace(device=market.fingerprints.device(tester.account, market.foreign()))
    for _ in range(campaign.between(6, 18)):
        tester = tester._replace(card=market.fingerprints.card(tester.account, market.foreign()))
        campaign.order(tester, cents=campaign.between(50, 199))
        campaign.wait(5.0, 25.0)
    for _ in range(campaign.between(1, 3)):
        campaign.wait(30.0, 120.0)
        campaign.order(tester, cents=campaign.cents(120.0, 900.0))


def _account_takeover(campaign: Campaign) -> None:
    """Somebody else's account and stored card, from a new device in another country, for high amounts."""
    market = campaign.market
    victim = market.customer(campaign.fraction)
    thief = market.abroad(victim, victim.country)
    for _ in range(campaign.between(1, 4)):
        campaign.order(thief, cents=campaign.cents(400.0, 3_500.0))
        campaign.wait(2 * _MINUTE, 10 * _MINUTE)


def _bulk_resale(campaign: Campaign) -> None:
    """One product is bought up within a day, often by a new account."""
    market = campaign.market
    reseller = market.newcomer() if campaign.rng.random() < 0.6 else market.customer(campaign.fraction)
    product = campaign.product(reseller.country)
    for _ in range(campaign.between(3, 8)):
        campaign.order(reseller, product, quantity=campaign.between(8, 30))
        campaign.wait(10 * _MINUTE, 70 * _MINUTE)


def _voucher_abuse(campaign: Campaign) -> None:
    """Several new accounts on one device spend a voucher again and again, in small orders."""
    market = campaign.market
    first = market.newcomer()
    accounts = [
        market.newcomer()._replace(device=first.device, ip=first.ip, country=first.country)
        for _ in range(campaign.between(4, 8))
    ]
    for _ in range(campaign.between(5, 10)):
        for account in accounts:
            campaign.order(account, cents=campaign.cents(3.0, 15.0), method=_VOUCHER)
            campaign.wait(20.0, 90.0)


def _bulk_buyer(campaign: Campaign) -> None:
    """A company orders as many as always."""
    campaign.order(campaign.market.company(), quantity=campaign.between(10, 40))


def _traveller(campaign: Campaign) -> None:
    """A customer orders at home, flies, and orders in one or two other countries over some days."""
    market = campaign.market
    buyer = market.anybody(campaign.fraction)
    campaign.order(buyer)
    for number in range(campaign.between(1, 2)):
        campaign.wait(2.5 * _HOUR, 12 * _HOUR)
        buyer = buyer._replace(
            country=market.other_country(buyer.country),
            ip=market.fingerprints.address(buyer.account, market.foreign() + number),
        )
        for _ in range(campaign.between(1, 2)):
            campaign.order(buyer)
            campaign.wait(_HOUR, 5 * _HOUR)


def _shared_account(campaign: Campaign) -> None:
    """A family orders within an evening, everybody with a device and a card of their own."""
    market = campaign.market
    family = market.family()
    for _ in range(campaign.between(2, 5)):
        number = campaign.between(0, 3)
        campaign.order(
            family._replace(
                device=market.fingerprints.device(family.account, number),
                card=market.fingerprints.card(family.account, min(number, 2)),
            ),
            quantity=campaign.between(1, 2),
        )
        campaign.wait(2 * _MINUTE, 40 * _MINUTE)


def _sale_day(campaign: Campaign) -> None:
    """Some customers find a bargain after the other."""
    market, start_us = campaign.market, campaign.clock_us
    for _ in range(campaign.between(4, 12)):
        campaign.clock_us = start_us
        campaign.wait(0.0, _HOUR)
        buyer = market.customer(campaign.fraction)
        for _ in range(campaign.between(2, 6)):
            campaign.order(buyer, quantity=campaign.between(1, 4))
            campaign.wait(40.0, 5 * _MINUTE)


ATTACKS: Final = (
    Kind("velocity_burst", FRAUD, 16.0, _velocity_burst),
    Kind("impossible_travel", FRAUD, 6.0, _impossible_travel),
    Kind("card_testing", FRAUD, 14.0, _card_testing),
    Kind("account_takeover", FRAUD, 2.5, _account_takeover),
    Kind("bulk_resale", FRAUD, 5.5, _bulk_resale),
    Kind("voucher_abuse", FRAUD, 45.0, _voucher_abuse),
)
LOOKALIKES: Final = (
    Kind("bulk_buyer", LEGITIMATE, 1.0, _bulk_buyer),
    Kind("traveller", LEGITIMATE, 3.25, _traveller),
    Kind("shared_account", LEGITIMATE, 3.5, _shared_account),
    Kind("sale_day", LEGITIMATE, 32.0, _sale_day, _SALE_WEEKDAY),
)
