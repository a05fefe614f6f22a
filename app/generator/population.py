"""The shop's customers: their country, activity, and time as a customer.

Half of a shop's customers buy only once: purchase rates are heavily skewed, and customers join and leave permanently,
as in the Pareto/NBD model (Schmittlein, Morrison, Colombo: "Counting Your Customers", Management Science 33, 1987). The
times of joining and leaving are fractions of the history: 0 is its beginning, 1 its end; live traffic is at 1.
"""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from app.generator.weighted import Weighted

#: Share of the customers and their mean purchase rate: heavy, regular and light buyers.
_LOYALTY: Final = ((0.05, 20.0), (0.25, 4.0), (0.70, 0.5))
_CHURNED_SHARE: Final = 0.22
_NEW_SHARE: Final = 0.15
_ATTEMPTS: Final = 30


@dataclass(frozen=True, slots=True)
class Population:
    """Customer `u` lives in `country_of[u]` and is active from `joined[u]` to `left[u]`."""

    country_of: "array[int]"
    joined: "array[float]"
    left: "array[float]"
    _activity: Weighted

    def draw(self, rng: Random, fraction: float) -> int:
        """Returns a customer active at a fraction of the history, by weight of activity."""
        for _ in range(_ATTEMPTS):
            user = self._activity.draw(rng.random())
            if self.is_active(user, fraction):
                return user
        return 0  # the first customer is always active

    def is_active(self, user: int, fraction: float) -> bool:
        """Whether a customer is active at a fraction of the history."""
        return self.joined[user] <= fraction <= self.left[user]


def build_population(rng: Random, users: int, countries: int) -> Population:
    """Creates customers; the first country has the most of them."""
    home = Weighted((rank + 1) ** -0.7 for rank in range(countries))
    country_of = array("H", (home.draw(rng.random()) for _ in range(users)))
    activity = [_activity(rng) for _ in range(users)]
    lives = [(0.0, 1.0), *(_life(rng) for _ in range(users - 1))]
    joined, left = array("d", (a for a, _ in lives)), array("d", (b for _, b in lives))
    return Population(country_of, joined, left, Weighted(activity))


def _activity(rng: Random) -> float:
    shares: Sequence[float] = [share for share, _ in _LOYALTY]
    rate = rng.choices([rate for _, rate in _LOYALTY], shares)[0]
    return rate * rng.lognormvariate(0.0, 0.5)


def _life(rng: Random) -> tuple[float, float]:
    kind, moment = rng.random(), rng.random()
    if kind < _CHURNED_SHARE:
        return 0.0, 0.05 + 0.75 * moment
    if kind < _CHURNED_SHARE + _NEW_SHARE:
        return 0.75 + 0.24 * moment, 1.0
    return 0.0, 1.0
