"""The shop of all runs: products, customers, and the preferences of each country.

It has its own seed, so history and live traffic, and runs on different days, have the same prices and the same
customers in the same countries.
"""

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from random import Random
from typing import Final

from app.settings import AnomalySettings, GeneratorSettings

_DEPARTMENTS: Final = (
    "Electronics",
    "Clothing",
    "Home",
    "Books",
    "Sports",
    "Toys",
    "Beauty",
    "Grocery",
    "Garden",
    "Automotive",
    "Music",
    "Games",
    "Office",
    "Pets",
    "Shoes",
    "Jewelry",
    "Health",
    "Baby",
    "Tools",
    "Travel",
)
_RANGES: Final = ("", " Accessories", " Premium", " Outlet", " Kids")
_LOWEST_PRICE_CENTS: Final = 99
_MEDIAN_PRICE_LOG: Final = 3.2  # e ** 3.2 is about 24.50
_ZIPF_SHIFT: Final = 2.0  # Zipf-Mandelbrot: the best seller does not dwarf the second
#: Share of the customers and their mean purchase rate: heavy, regular and light buyers.
_LOYALTY: Final = ((0.05, 20.0), (0.25, 4.0), (0.70, 0.5))
_CHURNED_SHARE: Final = 0.22
_NEW_SHARE: Final = 0.15
_ATTEMPTS: Final = 30
#: Percentages of ordinary orders with 1, 2, 3, ... items.
QUANTITIES: tuple[int, ...] = (68, 20, 8, 3, 1)


def category_names(count: int) -> list[str]:
    """Returns `count` names; a greater count begins with the same names."""
    named = [department + kind for kind in _RANGES for department in _DEPARTMENTS]
    return [*named[:count], *(f"Category {n + 1}" for n in range(len(named), count))]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Product `p` belongs to `category_of[p]` and costs `price_cents[p]`, numbered by category."""

    categories: list[str]
    category_of: "array[int]"
    price_cents: "array[int]"
    _popularity: "array[float]"

    def draw(self, category: int, uniform: float) -> int:
        """Returns the product of a category for a uniform number in [0, 1)."""
        return bisect_right(self._popularity, category + uniform)


def build_catalogue(rng: Random, products: int, categories: int, ceiling_cents: int) -> Catalogue:
    """Creates products with Zipf popularity within a category and capped log-normal prices."""
    names = category_names(min(products, categories))
    category_of, prices, popularity = array("H"), array("I"), array("d")
    for category, size in enumerate(_category_sizes(products, len(names))):
        category_of.extend([category] * size)
        prices.extend(_prices(rng, size, ceiling_cents))
        popularity.extend(_zipf_cumulative(category, size))
    return Catalogue(names, category_of, prices, popularity)


def _category_sizes(products: int, categories: int) -> list[int]:
    weights = [(rank + 1) ** -0.5 for rank in range(categories)]
    spare, total = products - categories, sum(weights)
    sizes = [1 + int(spare * weight / total) for weight in weights]
    sizes[0] += products - sum(sizes)
    return sizes


def _prices(rng: Random, size: int, ceiling_cents: int) -> list[int]:
    typical = rng.gauss(_MEDIAN_PRICE_LOG, 0.6)
    drawn = (round(rng.lognormvariate(typical, 0.5) * 100) for _ in range(size))
    lowest = min(_LOWEST_PRICE_CENTS, ceiling_cents)
    return [max(lowest, min(price, ceiling_cents)) for price in drawn]


def _zipf_cumulative(category: int, size: int) -> list[float]:
    """Returns the cumulative popularity of a category's products, scaled to (category, category + 1]."""
    weights = [1.0 / (rank + _ZIPF_SHIFT) for rank in range(size)]
    total, reached, result = sum(weights), 0.0, []
    for weight in weights:
        reached += weight
        result.append(category + reached / total)
    result[-1] = category + 1.0
    return result


class Weighted:
    """Indexes 0 to n - 1 with probabilities proportional to their weights; immutable."""

    __slots__ = ("_cumulative", "_last")

    def __init__(self, weights: Iterable[float]) -> None:
        """Raises ValueError unless the weights are non-negative and at least one is positive."""
        cumulative = list(accumulate(weights))
        if not cumulative or cumulative[-1] <= 0:
            raise ValueError("weights must hold a positive number")
        total = cumulative[-1]
        self._cumulative = [value / total for value in cumulative]
        self._last = len(cumulative) - 1

    def draw(self, uniform: float) -> int:
        """Returns the index for a uniform number in [0, 1)."""
        return min(bisect_right(self._cumulative, uniform), self._last)


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


@dataclass(frozen=True, slots=True)
class Shop:
    """The constant part of all runs; `preferences[c]` are the weights of the categories in country c."""

    catalogue: Catalogue
    population: Population
    countries: tuple[str, ...]
    preferences: tuple[Weighted, ...]

    def draw_product(self, rng: Random, country: int) -> int:
        """Returns a product by the preferences of a country."""
        category = self.preferences[country].draw(rng.random())
        return self.catalogue.draw(category, rng.random())


def build_shop(settings: GeneratorSettings, anomaly: AnomalySettings) -> Shop:
    """Creates the shop of these settings; no ordinary order can exceed the high-value limit."""
    rng = Random(f"shop {settings.world_seed}")
    ceiling_cents = max(1, int(anomaly.high_value * 100) // len(QUANTITIES))
    catalogue = build_catalogue(rng, settings.products, settings.categories, ceiling_cents)
    countries = settings.country_names
    preferences = tuple(_preference(rng, len(catalogue.categories)) for _ in countries)
    population = build_population(rng, settings.users, len(countries))
    return Shop(catalogue, population, countries, preferences)


def _preference(rng: Random, categories: int) -> Weighted:
    return Weighted((rank + 1) ** -0.7 * rng.lognormvariate(0.0, 0.8) for rank in range(categories))
