"""The shop's products: each has a fixed category and price, and few of them make most of the sales."""

from array import array
from bisect import bisect_right
from dataclasses import dataclass
from random import Random
from typing import Final

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
