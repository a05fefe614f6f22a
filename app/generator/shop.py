"""The shop of all runs: products, customers, and the preferences of each country.

It has its own seed, so history and live traffic, and runs on different days, have the same prices and the same
customers in the same countries. Each product has a fixed category and price, and few of them make most of the sales.

Half of a shop's customers buy only once: purchase rates are heavily skewed, and customers join and leave permanently,
as in the Pareto/NBD model (Schmittlein, Morrison, Colombo: "Counting Your Customers", Management Science 33, 1987). The
times of joining and leaving are fractions of the history: 0 is its beginning, 1 its end; live traffic is at 1.
"""

from array import array
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate
from random import Random
from typing import Final

from app.settings import AnomalySettings, GeneratorSettings

#: Percentages of ordinary orders with 1, 2, 3, ... items.
QUANTITIES: tuple[int, ...] = (68, 20, 8, 3, 1)
_DEPARTMENTS: Final = (
    "Electronics Clothing Home Books Sports Toys Beauty Grocery Garden Automotive "
    "Music Games Office Pets Shoes Jewelry Health Baby Tools Travel"
)
_RANGES: Final = ("", " Accessories", " Premium", " Outlet", " Kids")
_LOWEST_PRICE_CENTS: Final = 99
_MEDIAN_PRICE_LOG: Final = 3.2  # e ** 3.2 is about 24.50
_ZIPF_SHIFT: Final = 2.0  # Zipf-Mandelbrot: the best seller does not dwarf the second
#: Mean purchase rate of heavy, regular and light buyers, and their shares of the customers.
_RATES: Final = (20.0, 4.0, 0.5)
_RATE_SHARES: Final = (0.05, 0.25, 0.70)
_CHURNED_SHARE: Final = 0.22
_NEW_SHARE: Final = 0.15
_ATTEMPTS: Final = 30


class Weighted:
    """Indexes 0 to n - 1 with probabilities proportional to their weights; immutable."""

    __slots__ = ("_cumulative", "_last")

    def __init__(self, weights: Iterable[float]) -> None:
        """Raises ValueError unless the weights are non-negative and at least one is positive."""
        cumulative = list(accumulate(weights))
        if not cumulative or cumulative[-1] <= 0:
            raise ValueError("weights must hold a positive number")
        self._cumulative = [value / cumulative[-1] for value in cumulative]
        self._last = len(cumulative) - 1

    def draw(self, uniform: float) -> int:
        """Returns the index for a uniform number in [0, 1)."""
        return min(bisect_right(self._cumulative, uniform), self._last)


@dataclass(frozen=True, slots=True)
class Shop:
    """The constant part of all runs.

    Product `p` belongs to `category_of[p]` and costs `price_cents[p]`, numbered by category. Customer `u` lives in
    `country_of[u]` and is active from `joined[u]` to `left[u]`.
    """

    categories: list[str]
    category_of: "array[int]"
    price_cents: "array[int]"
    countries: tuple[str, ...]
    country_of: "array[int]"
    joined: "array[float]"
    left: "array[float]"
    _popularity: "array[float]"
    _activity: Weighted
    _preferences: tuple[Weighted, ...]

    def draw_product(self, rng: Random, country: int) -> int:
        """Returns a product by the preferences of a country."""
        return self.draw_of_category(rng, self._preferences[country].draw(rng.random()))

    def draw_of_category(self, rng: Random, category: int) -> int:
        """Returns a product of a category by popularity."""
        return bisect_right(self._popularity, category + rng.random())

    def draw_customer(self, rng: Random, fraction: float) -> int:
        """Returns a customer active at a fraction of the history, by weight of activity."""
        for _ in range(_ATTEMPTS):
            user = self._activity.draw(rng.random())
            if self.is_active(user, fraction):
                return user
        return 0  # the first customer is always active

    def is_active(self, user: int, fraction: float) -> bool:
        """Whether a customer is active at a fraction of the history."""
        return self.joined[user] <= fraction <= self.left[user]


def build_shop(settings: GeneratorSettings, anomaly: AnomalySettings) -> Shop:
    """Creates the shop of these settings; no ordinary order can exceed the high-value limit."""
    rng = Random(f"shop {settings.world_seed}")
    ceiling_cents = max(1, int(anomaly.high_value * 100) // len(QUANTITIES))
    names = category_names(min(settings.products, settings.categories))
    category_of, prices, popularity = array("H"), array("I"), array("d")
    for category, size in enumerate(_category_sizes(settings.products, len(names))):
        category_of.extend([category] * size)
        prices.extend(_prices(rng, size, ceiling_cents))
        popularity.extend(_zipf_cumulative(category, size))
    countries = settings.country_names
    preferences = [[(n + 1) ** -0.7 * rng.lognormvariate(0.0, 0.8) for n in range(len(names))] for _ in countries]
    home = Weighted((rank + 1) ** -0.7 for rank in range(len(countries)))  # the first has the most customers
    country_of = array("H", (home.draw(rng.random()) for _ in range(settings.users)))
    activity = [rng.choices(_RATES, _RATE_SHARES)[0] * rng.lognormvariate(0.0, 0.5) for _ in country_of]
    lives = [(0.0, 1.0), *(_life(rng) for _ in range(settings.users - 1))]
    joined, left = (array("d", side) for side in zip(*lives, strict=True))
    weights = tuple(map(Weighted, preferences))
    return Shop(
        names, category_of, prices, countries, country_of, joined, left, popularity, Weighted(activity), weights
    )


def category_names(count: int) -> list[str]:
    """Returns `count` names; a greater count begins with the same names."""
    named = [department + kind for kind in _RANGES for department in _DEPARTMENTS.split()]
    return [*named[:count], *(f"Category {n + 1}" for n in range(len(named), count))]


def _category_sizes(products: int, categories: int) -> list[int]:
    weights = [(rank + 1) ** -0.5 for rank in range(categories)]
    sizes = [1 + int((products - categories) * weight / sum(weights)) for weight in weights]
    sizes[0] += products - sum(sizes)
    return sizes


def _prices(rng: Random, size: int, ceiling_cents: int) -> list[int]:
    """Returns log-normal prices, capped."""
    typical = rng.gauss(_MEDIAN_PRICE_LOG, 0.6)
    drawn = (round(rng.lognormvariate(typical, 0.5) * 100) for _ in range(size))
    lowest = min(_LOWEST_PRICE_CENTS, ceiling_cents)
    return [max(lowest, min(price, ceiling_cents)) for price in drawn]


def _zipf_cumulative(category: int, size: int) -> list[float]:
    """Returns the cumulative popularity of a category's products, scaled to (category, category + 1]."""
    reached = list(accumulate(1.0 / (rank + _ZIPF_SHIFT) for rank in range(size)))
    return [*(category + part / reached[-1] for part in reached[:-1]), category + 1.0]


def _life(rng: Random) -> tuple[float, float]:
    kind, moment = rng.random(), rng.random()
    if kind < _CHURNED_SHARE:
        return 0.0, 0.05 + 0.75 * moment
    if kind < _CHURNED_SHARE + _NEW_SHARE:
        return 0.75 + 0.24 * moment, 1.0
    return 0.0, 1.0
