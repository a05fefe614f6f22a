"""Fingerprints of customers' cards, devices, internet addresses and emails: the same in every run of a shop.

They are a function of the customer and of the time at which the session began, and draw no random number. A customer
has a card and a second one for every fifth order, a phone and a laptop, an address at home that lasts a week, and a
phone's address that lasts a day.
"""

from typing import Final

from app.generator.arrivals import DAY_US

_MASK: Final = (1 << 44) - 1
_SPREAD: Final = 0x1E3779B97F5
_STEP: Final = 0x9E3779B1
_SECOND_CARD: Final = 51  # of 256
_LAPTOP: Final = 96  # of 256
_WEEK_US: Final = 7 * DAY_US


class Fingerprints:
    """Texts of at most 17 characters; `number` distinguishes a customer's cards, devices and addresses."""

    __slots__ = ("_salt",)

    def __init__(self, world_seed: int) -> None:
        self._salt = (world_seed + 1) * _SPREAD & _MASK

    def usual(self, account: int, session_us: int) -> tuple[str, str, str, str]:
        """Returns email, card, device and address in a session that began at a time in microseconds."""
        owner = self._owner(account)
        drawn = (account + session_us) * _STEP
        card = "c1" if drawn >> 20 & 255 < _SECOND_CARD else "c0"
        if drawn >> 28 & 255 < _LAPTOP:
            return owner, owner + card, owner + "d1", f"{owner}i{session_us // _WEEK_US}"
        return owner, owner + card, owner + "d0", f"{owner}m{session_us // DAY_US}"

    def card(self, account: int, number: int = 0) -> str:
        """Returns a card; the customer's own are 0 and 1."""
        return f"{self._owner(account)}c{number}"

    def device(self, account: int, number: int = 0) -> str:
        """Returns a device; the customer's own are 0 and 1."""
        return f"{self._owner(account)}d{number}"

    def address(self, account: int, number: int = 0) -> str:
        """Returns an internet address."""
        return f"{self._owner(account)}i{number}"

    def email(self, account: int) -> str:
        """Returns the customer's email."""
        return self._owner(account)

    def _owner(self, account: int) -> str:
        return f"{account * _SPREAD + self._salt & _MASK:011x}"
