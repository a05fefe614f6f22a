"""Orders of an attack or of an innocent look-alike: who buys, with what, and when."""

from random import Random
from typing import Final, NamedTuple

from app.generator.attacks_truth import Truth
from app.generator.fingerprints import Fingerprints
from app.generator.planned_event import PlannedEvent
from app.generator.record import Ids
from app.generator.sessions import PAYMENT_METHODS, PAYMENT_WEIGHTS, SECOND_US, user_id
from app.generator.shop import Shop
from app.topics import TRANSACTIONS

#: Accounts that are no customers of the shop: companies and families are the same in every run, others are new.
_FIRST_COMPANY: Final = 0
_COMPANIES: Final = 400
_FIRST_FAMILY: Final = 1_000
_FAMILIES: Final = 400
_FIRST_NEW: Final = 1_000_000
_NEW: Final = 1_000_000_000
_ATTEMPTS: Final = 20
#: Numbers of cards, devices and addresses that are not the owner's.
_FOREIGN: Final = 100
_FOREIGN_NUMBERS: Final = 1_000_000


class Buyer(NamedTuple):
    """Who orders, from where and with what; `country` is a place in the shop's countries."""

    account: int
    country: int
    card: str
    device: str
    ip: str
    email: str


class Market:
    """What all campaigns share: the shop, the ids and the random numbers of a run."""

    def __init__(self, shop: Shop, ids: Ids, rng: Random, world_seed: int) -> None:
        self.shop, self.ids, self.rng = shop, ids, rng
        self.fingerprints = Fingerprints(world_seed)

    def customer(self, fraction: float) -> Buyer:
        """Returns a customer at a fraction of the history, active ones more often."""
        account = self.shop.draw_customer(self.rng, fraction)
        return self._buyer(account, self.shop.country_of[account])

    def anybody(self, fraction: float) -> Buyer:
        """Returns a customer at a fraction of the history, whatever the activity."""
        for _ in range(_ATTEMPTS):
            account = int(self.rng.random() * len(self.shop.country_of))
            if self.shop.is_active(account, fraction):
                break
        return self._buyer(account, self.shop.country_of[account])

    def newcomer(self) -> Buyer:
        """Returns an account that nobody has seen."""
        return self._outsider(_FIRST_NEW + int(self.rng.random() * _NEW))

    def company(self) -> Buyer:
        """Returns one of the companies."""
        return self._outsider(_FIRST_COMPANY + int(self.rng.random() * _COMPANIES))

    def family(self) -> Buyer:
        """Returns one of the accounts that families share."""
        return self._outsider(_FIRST_FAMILY + int(self.rng.random() * _FAMILIES))

    def other_country(self, country: int) -> int:
        """Returns another country if there is one."""
        count = len(self.shop.countries)
        return (country + 1 + int(self.rng.random() * (count - 1))) % count if count > 1 else country

    def foreign(self) -> int:
        """Returns the number of a card, device or address that is not the owner's."""
        return _FOREIGN + int(self.rng.random() * _FOREIGN_NUMBERS)

    def abroad(self, owner: Buyer, left: int) -> Buyer:
        """Returns the owner's account in another country than `left`, with another device and address."""
        number, own = self.foreign(), self.fingerprints
        device, ip = own.device(owner.account, number), own.address(owner.account, number)
        return owner._replace(country=self.other_country(left), device=device, ip=ip)

    def _outsider(self, number: int) -> Buyer:
        account = len(self.shop.country_of) + number
        return self._buyer(account, account % len(self.shop.countries))

    def _buyer(self, account: int, country: int) -> Buyer:
        own = self.fingerprints
        return Buyer(account, country, own.card(account), own.device(account), own.address(account), own.email(account))


class Campaign:
    """Plans the orders of one attack or look-alike, from `clock_us` on."""

    def __init__(self, market: Market, truth: Truth, start_us: int, fraction: float) -> None:
        self.market, self.rng, self.fraction = market, market.rng, fraction
        self.clock_us = start_us
        self.events: list[PlannedEvent] = []
        self._truth = truth
        self._sessions: dict[tuple[int, str], str] = {}

    def between(self, least: int, most: int) -> int:
        """Returns a number from `least` to `most`."""
        return least + int(self.rng.random() * (most - least + 1))

    def wait(self, least_seconds: float, mean_more: float) -> None:
        """Lets time pass: at least so many seconds, and more at random."""
        self.clock_us += 1 + int((least_seconds + self.rng.expovariate(1.0) * mean_more) * SECOND_US)

    def product(self, country: int) -> int:
        """Returns a product that sells in a country."""
        return self.market.shop.draw_product(self.rng, country)

    def cents(self, low: float, high: float) -> int:
        """Returns an amount between two numbers of dollars, small ones more often."""
        return int(100 * low * (high / low) ** self.rng.random())

    def order(
        self, buyer: Buyer, product: int | None = None, quantity: int = 1, cents: int | None = None, method: str = ""
    ) -> None:
        """Adds an order now; without an amount it costs what the shop asks."""
        shop, ids = self.market.shop, self.market.ids
        if product is None:
            product = self.product(buyer.country)
        session = self._sessions.get((buyer.account, buyer.device))
        if session is None:
            session = self._sessions[buyer.account, buyer.device] = ids.session()
        user = user_id(buyer.account)
        fields = {
            "transaction_id": ids.order(),
            "total_amount": shop.price_cents[product] * quantity if cents is None else cents,
            "quantity": quantity,
            "payment_method": method or PAYMENT_METHODS[PAYMENT_WEIGHTS.draw(self.rng.random())],
            "card": buyer.card,
            "device": buyer.device,
            "ip": buyer.ip,
            "email": buyer.email,
            "user_id": user,
            "session_id": session,
            "product_id": f"product{product + 1}",
            "category": shop.categories[shop.category_of[product]],
            "country": shop.countries[buyer.country],
        }
        truth = self._truth
        self.events.append(PlannedEvent(self.clock_us, TRANSACTIONS, user, fields, marks=(truth.attack,), truth=truth))
